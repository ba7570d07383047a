from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pam_agent.accounts import Accounts
from pam_agent.administration_rows import read_audit
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.code_store import Codes, Judged
from pam_agent.code_throttle import ACCOUNT_BURST, ADDRESS_BURST
from pam_agent.codes import CodeVerdict
from pam_agent.policy import DISABLING_FAILURE, MAX_BACKOFF
from pam_agent.records import AccountStanding, Device, DisabledReason, Totp
from pam_agent.rows import read_totp, write_totp
from pam_agent.schema import StoreError
from protocol import offline, ticket
from protocol.ocra import hotp
from tests.support.agent_store import NOW, enrol

PASSCODE = "49217734"
HERE = "192.0.2.1"
SECRET = b"12345678901234567890"
STEP = int(NOW) // 30


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with Accounts.open(tmp_path / "state", NOW) as accounts:
        yield accounts


def response(device: Device, passcode: str = PASSCODE) -> str:
    return offline.response(offline.offline_key(device.ratchet.current.root), passcode)


def made(device: Device, counter: int, service: str = "postgresql") -> str:
    base = device.ratchet.current
    key = offline.offline_key(base.root)
    locator = ticket.locator(device.rendezvous_root, base.number, counter, service)
    return locator + ticket.proof(key, base.number, counter, service)


async def audited(accounts: Accounts, kind: AuditKind) -> list[AuditEntry]:
    return await accounts.store.transaction(
        lambda tx: [entry for _, entry in read_audit(tx, 0, 0, 999) if entry.kind is kind]
    )


async def test_a_right_response(accounts: Accounts) -> None:
    device = await enrol(accounts)
    await accounts.count_failure(device.id, NOW)
    await accounts.note_unsuccessful("alice")
    judged = await Codes(accounts).judge_response("alice", PASSCODE, response(device), NOW)
    after = replace(device, last_used=int(NOW))
    assert judged == Judged(CodeVerdict.RIGHT, after)
    assert await accounts.device(device.id) == after
    assert await accounts.account_standing("alice") == AccountStanding(int(NOW), 0)


async def test_ten_wrong_responses_disable_the_device(accounts: Accounts, tmp_path: Path) -> None:
    device = await enrol(accounts)
    codes, now = Codes(accounts), NOW
    for number in range(1, DISABLING_FAILURE + 1):
        judged = await codes.judge_response("alice", PASSCODE, "00000000", now)
        found = await accounts.device(device.id)
        assert found.failures == number
        last = number == DISABLING_FAILURE
        assert judged == Judged(CodeVerdict.WRONG, None, (found,) if last else ())
        now = max(now, found.backoff_until)
    assert found.disabled is DisabledReason.FAILURES
    right = await codes.judge_response("alice", PASSCODE, response(device), now + MAX_BACKOFF)
    assert right == Judged(CodeVerdict.WRONG)
    entries = await audited(accounts, AuditKind.FAILURE)
    assert [entry.outcome for entry in entries] == ["counted"] * 9 + ["device disabled"]
    assert entries[-1].device == device.id
    assert entries[-1].detail == "code, failure 10"


async def test_an_outsider_who_only_knows_the_user_name_disables_no_device(
    accounts: Accounts,
) -> None:
    """Tickets and TOTPs as fast as they are judged, from many addresses: nothing is counted."""
    device = await enrol(accounts)
    codes, wrong = Codes(accounts), 0
    for n in range(20 * DISABLING_FAILURE):
        typed = f"{n:010d}"
        remote = f"198.51.100.{n % 250}"
        judged = await codes.judge_ticket("alice", "postgresql", remote, typed, float(n), NOW)
        wrong += judged.verdict is CodeVerdict.WRONG
        await codes.judge_totp("alice", remote, f"{n:06d}", float(n), NOW)
    assert wrong > 10 * DISABLING_FAILURE
    assert await accounts.device(device.id) == device
    assert await audited(accounts, AuditKind.FAILURE) == []
    right = await codes.judge_ticket("alice", "postgresql", HERE, made(device, 0), 10_000.0, NOW)
    assert right.verdict is CodeVerdict.RIGHT


async def test_a_ticket_once_and_after_a_restart_too(tmp_path: Path) -> None:
    async with Accounts.open(tmp_path / "state", NOW) as accounts:
        device = await enrol(accounts)
        judge = Codes(accounts).judge_ticket
        first = await judge("alice", "postgresql", HERE, made(device, 3), 0.0, NOW)
        assert first.verdict is CodeVerdict.RIGHT
        again = await judge("alice", "postgresql", HERE, made(device, 3), 0.0, NOW)
        assert again == Judged(CodeVerdict.REPLAYED)
        assert (await accounts.account_standing("alice")).last_success == int(NOW)
    async with Accounts.open(tmp_path / "state", NOW) as accounts:
        judge = Codes(accounts).judge_ticket
        for counter in (3, 2):
            late = await judge("alice", "postgresql", HERE, made(device, counter), 0.0, NOW)
            assert late == Judged(CodeVerdict.REPLAYED)
        assert (await judge("alice", "postgresql", HERE, made(device, 4), 0.0, NOW)).device


async def test_a_wrong_proof_is_counted_and_audited(accounts: Accounts) -> None:
    device = await enrol(accounts)
    await enrol(accounts, name="tablet")
    whole = made(device, 0)
    typed = whole[:-1] + ("0" if whole[-1] != "0" else "1")
    judged = await Codes(accounts).judge_ticket("alice", "postgresql", HERE, typed, 0.0, NOW)
    assert judged == Judged(CodeVerdict.WRONG)
    found = await accounts.devices("alice")
    assert [(each.failures, each.ticket_counter) for each in found] == [(1, 1), (0, 0)]
    (entry,) = await audited(accounts, AuditKind.FAILURE)
    assert (entry.device, entry.detail) == (device.id, "ticket, failure 1")


async def test_over_the_limit_even_right_ones_are_not_compared(accounts: Accounts) -> None:
    device = await enrol(accounts)
    codes = Codes(accounts)
    for _ in range(ADDRESS_BURST):
        await codes.judge_ticket("alice", "postgresql", HERE, "0000000000", 0.0, NOW)
    throttled = Judged(CodeVerdict.THROTTLED)
    assert throttled == await codes.judge_ticket(
        "alice", "postgresql", HERE, made(device, 0), 0.0, NOW
    )
    assert throttled == await codes.judge_totp("bob", HERE, "000000", 0.0, NOW)
    assert (await accounts.device(device.id)).ticket_counter == 0


async def test_an_unknown_account_leaves_no_trace(accounts: Accounts) -> None:
    codes = Codes(accounts)
    before = await accounts.figures()
    assert await codes.judge_response("mallory", PASSCODE, "00000000", NOW) == Judged(
        CodeVerdict.WRONG
    )
    for n in range(ACCOUNT_BURST):
        remote = f"198.51.100.{n}"
        found = await codes.judge_ticket("mallory", "sshd", remote, "0000000000", 0.0, NOW)
        assert found == Judged(CodeVerdict.WRONG)
    assert await accounts.figures() == before
    assert await accounts.store.transaction(lambda tx: list(read_audit(tx, 0, 0, 999))) == []


async def test_totp(accounts: Accounts) -> None:
    await accounts.store.transaction(lambda tx: write_totp(tx, Totp("alice", SECRET, int(NOW))))
    codes = Codes(accounts)

    async def typed(text: str) -> CodeVerdict:
        return (await codes.judge_totp("alice", HERE, text, 0.0, NOW)).verdict

    wrong = "000000" if hotp(SECRET, STEP) != "000000" else "000001"
    assert await typed(wrong) is CodeVerdict.WRONG
    (entry,) = await audited(accounts, AuditKind.FAILURE)
    assert (entry.device, entry.detail) == (None, "totp, failure 1")
    assert await typed(hotp(SECRET, STEP)) is CodeVerdict.RIGHT
    assert await typed(hotp(SECRET, STEP)) is CodeVerdict.REPLAYED
    found = await accounts.store.transaction(lambda tx: read_totp(tx, "alice"))
    assert found == Totp("alice", SECRET, int(NOW), last_step=STEP)
    assert await accounts.account_standing("alice") == AccountStanding(int(NOW), 0)


async def test_a_store_that_fails_says_so(accounts: Accounts) -> None:
    device = await enrol(accounts)
    accounts.store.db.execute("PRAGMA query_only = ON")
    for call in (
        Codes(accounts).judge_response("alice", PASSCODE, response(device), NOW),
        Codes(accounts).judge_ticket("alice", "postgresql", HERE, made(device, 0), 0.0, NOW),
    ):
        with pytest.raises(StoreError):
            await call
    accounts.store.db.execute("PRAGMA query_only = OFF")
    assert await accounts.device(device.id) == device
