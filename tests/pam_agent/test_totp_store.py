from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pam_agent.accounts import Accounts
from pam_agent.administration import Administration, ChangeRefusedError
from pam_agent.code_store import Codes
from pam_agent.codes import CodeVerdict
from pam_agent.rows import read_totp
from pam_agent.schema import FILE_NAME
from pam_agent.totp_store import TotpStore
from pam_agent.totp_wire import TotpLine, TotpSecret
from protocol.ocra import hotp
from tests.support.agent_store import NOW
from tests.support.recorded_log import recorded_log


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with Accounts.open(tmp_path / "state", NOW) as opened:
        yield opened


async def test_a_secret_is_given_once_and_its_codes_count(accounts: Accounts) -> None:
    totps = TotpStore(accounts.store)
    secret = await totps.give("alice", 0, NOW)
    assert len(secret) == 20
    assert await totps.lines() == (TotpLine("alice", int(NOW), 0),)
    with pytest.raises(ChangeRefusedError, match="alice has a TOTP secret"):
        await totps.give("alice", 0, NOW)
    judged = await Codes(accounts).judge_totp("alice", "", hotp(secret, int(NOW) // 30), 0.0, NOW)
    assert judged.verdict is CodeVerdict.RIGHT
    assert await totps.give("bob", 0, NOW) != secret


async def test_without_it_no_code_counts_and_the_account_is_gone(
    accounts: Accounts, tmp_path: Path
) -> None:
    totps = TotpStore(accounts.store)
    secret = await totps.give("alice", 0, NOW)
    await totps.remove("alice", 1000, NOW + 1)
    with pytest.raises(ChangeRefusedError, match="alice has no TOTP secret"):
        await totps.remove("alice", 1000, NOW)
    code = hotp(secret, int(NOW) // 30)
    judged = await Codes(accounts).judge_totp("alice", "", code, 0.0, NOW)
    assert judged.verdict is CodeVerdict.WRONG
    assert (await accounts.figures()).accounts == 0
    assert await totps.lines() == ()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        assert secret not in (tmp_path / "state" / name).read_bytes()
    entries = [entry for _, entry in await Administration(accounts.store).audit(0, 0)]
    assert [(each.kind, each.account, each.outcome, each.detail) for each in entries] == [
        ("totp", "alice", "set", "by uid 0"),
        ("totp", "alice", "removed", "by uid 1000"),
    ]


async def test_another_name_is_refused(accounts: Accounts) -> None:
    await Administration(accounts.store).set_alias("tom", "thomas", 0, NOW)
    with pytest.raises(ChangeRefusedError, match="tom is another name of thomas"):
        await TotpStore(accounts.store).give("tom", 0, NOW)
    assert await accounts.store.transaction(lambda tx: read_totp(tx, "tom")) is None


async def test_the_secret_is_in_no_log_and_no_repr(accounts: Accounts) -> None:
    with recorded_log() as log:
        secret = await TotpStore(accounts.store).give("alice", 0, NOW)
    (line,) = log.events
    assert (line["event"], line["user"], line["outcome"]) == ("totp changed", "alice", "set")
    assert all(part not in repr((line, TotpSecret(secret))) for part in (str(secret), secret.hex()))
    assert repr(TotpSecret(secret)) == "TotpSecret()"
