"""What administrators say, in a real store, and what it leaves in the audit log."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pam_agent import administration_rows
from pam_agent.accounts import Accounts
from pam_agent.administration import Administration, ChangeRefusedError
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.enrolments import Enrolments
from pam_agent.methods import Method
from pam_agent.notices import MAX_NOTICES
from pam_agent.records import Decided, Totp
from pam_agent.rows import delete_totp, write_totp
from pam_agent.schema import StoreError
from tests.support.agent_store import NOW, enrol
from tests.support.small_disk import fill, small_disk

HOUR = 3600


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with Accounts.open(tmp_path / "state", NOW) as opened:
        yield opened


@pytest.fixture
def administration(accounts: Accounts) -> Administration:
    return Administration(accounts.store)


async def audited(accounts: Accounts) -> list[tuple[str, str, str, str]]:
    found = await Administration(accounts.store).audit(0, 0)
    return [(entry.kind, entry.account, entry.outcome, entry.detail) for _, entry in found]


# ---- aliases -------------------------------------------------------------------------------------


async def test_an_alias_leads_to_its_account(
    accounts: Accounts, administration: Administration
) -> None:
    assert await accounts.resolve("tom") == "tom"
    assert await administration.set_alias("tom", "thomas", 0, NOW) is None
    assert await accounts.resolve("tom") == "thomas"
    assert await accounts.resolve("thomas") == "thomas"
    assert await administration.set_alias("tom", "anna", 0, NOW) == "thomas"
    assert await administration.aliases() == (("tom", "anna"),)
    assert await administration.remove_alias("tom", 0, NOW) == "anna"
    assert await administration.remove_alias("tom", 0, NOW) is None
    assert await accounts.resolve("tom") == "tom"
    assert await audited(accounts) == [
        ("alias", "thomas", "set", "tom by uid 0"),
        ("alias", "anna", "set", "tom by uid 0"),
        ("alias", "anna", "removed", "tom by uid 0"),
    ]


async def test_an_alias_that_would_do_harm_is_refused(
    accounts: Accounts, administration: Administration
) -> None:
    await enrol(accounts, "alice")
    totp = Totp("bob", bytes(20), created=int(NOW))
    await accounts.store.transaction(lambda tx: write_totp(tx, totp))
    await administration.set_alias("tom", "thomas", 0, NOW)
    for name, account, why in (
        ("alice", "bob", "alice has devices of its own"),
        ("bob", "alice", "bob has a TOTP secret of its own"),
        ("alice", "alice", "alice is itself already"),
        ("carol", "tom", "tom is another name of thomas: say thomas"),
        ("thomas", "alice", "thomas has other names itself"),
    ):
        with pytest.raises(ChangeRefusedError, match=why):
            await administration.set_alias(name, account, 0, NOW)
    assert await administration.aliases() == (("tom", "thomas"),)
    await accounts.store.transaction(lambda tx: delete_totp(tx, "bob"))
    await administration.set_alias("bob", "alice", 0, NOW)


async def test_an_alias_stays_when_the_last_device_goes(
    accounts: Accounts, administration: Administration
) -> None:
    await enrol(accounts, "thomas")
    await administration.set_alias("tom", "thomas", 0, NOW)
    await Enrolments(accounts.store).revoke("thomas", None, NOW)
    assert await accounts.resolve("tom") == "thomas"


# ---- methods -------------------------------------------------------------------------------------


async def test_methods_of_a_service_before_those_of_all(
    accounts: Accounts, administration: Administration
) -> None:
    assert await accounts.methods_of("alice", "sshd") is None
    assert await administration.set_methods("alice", "*", (Method.TOTP, Method.APPROVE), 0, NOW)
    assert await administration.set_methods("alice", "sshd", (Method.CODE,), 0, NOW)
    assert await accounts.methods_of("alice", "sshd") == {Method.CODE}
    assert await accounts.methods_of("alice", "su") == {Method.APPROVE, Method.TOTP}
    assert await accounts.methods_of("bob", "sshd") is None
    assert await administration.methods() == (
        ("alice", "*", {Method.APPROVE, Method.TOTP}),
        ("alice", "sshd", {Method.CODE}),
    )
    assert await administration.set_methods("alice", "sshd", (), 0, NOW)
    assert not await administration.set_methods("alice", "sshd", (), 0, NOW)
    assert await accounts.methods_of("alice", "sshd") == {Method.APPROVE, Method.TOTP}
    assert await audited(accounts) == [
        ("methods", "alice", "set", "approve totp by uid 0"),
        ("methods", "alice", "set", "code by uid 0"),
        ("methods", "alice", "removed", "by uid 0"),
    ]


# ---- break-glass ---------------------------------------------------------------------------------


async def test_a_break_glass_holds_and_ends_by_itself(
    accounts: Accounts, administration: Administration
) -> None:
    opened = await administration.open_break_glass("alice", 2 * HOUR, "lost phone", 0, NOW)
    assert await accounts.breakglass("alice", NOW) == opened
    assert await accounts.breakglass("alice", NOW + 2 * HOUR - 1) == opened
    assert await accounts.breakglass("alice", NOW - 1) is None
    assert await accounts.breakglass("alice", NOW + 2 * HOUR) is None
    assert await accounts.breakglass("bob", NOW) is None
    assert await administration.end_old_break_glass(NOW + 2 * HOUR - 1) == ()
    assert await administration.end_old_break_glass(NOW + 2 * HOUR) == (opened,)
    assert await administration.break_glass() == ()
    assert await audited(accounts) == [
        ("break-glass", "alice", "opened", "7200 s: lost phone by uid 0"),
        ("break-glass", "alice", "ended", "ran out, used never"),
    ]


async def test_a_break_glass_is_ended(accounts: Accounts, administration: Administration) -> None:
    opened = await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    assert await administration.end_break_glass("bob", 0, NOW) is None
    assert await administration.end_break_glass("alice", 0, NOW + 1) == opened
    assert await accounts.breakglass("alice", NOW + 1) is None
    assert await administration.end_break_glass("alice", 0, NOW) is None


async def test_a_second_one_takes_the_place_of_the_first(
    accounts: Accounts, administration: Administration
) -> None:
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    second = await administration.open_break_glass("alice", 2 * HOUR, "still lost", 0, NOW + 60)
    assert await administration.break_glass() == (second,)
    assert [line[2:] for line in await audited(accounts)] == [
        ("opened", "3600 s: lost phone by uid 0"),
        ("ended", "replaced by uid 0, used never"),
        ("opened", "7200 s: still lost by uid 0"),
    ]


async def test_every_device_is_told_until_it_has_decided(
    accounts: Accounts, administration: Administration
) -> None:
    phone, tablet = await enrol(accounts), await enrol(accounts, name="tablet")
    other = await enrol(accounts, "bob")
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    (told,) = await accounts.notices(phone.id)
    assert told.text.endswith("UTC: lost phone")
    assert len(await accounts.notices(tablet.id)) == 1
    assert await accounts.notices(other.id) == ()
    base = phone.ratchet.current
    for success in (False, True):
        shown = await accounts.notices(phone.id)
        decided = await accounts.decide(
            phone.id,
            base,
            bytes(32),
            opened=(await accounts.device(phone.id)).ratchet,
            success=success,
            now=NOW,
            shown=shown,
        )
        assert decided is Decided.MOVED
        assert await accounts.notices(phone.id) == ()
    assert len(await accounts.notices(tablet.id)) == 1


async def test_what_came_after_context_stays(
    accounts: Accounts, administration: Administration
) -> None:
    phone = await enrol(accounts)
    await administration.open_break_glass("alice", HOUR, "one", 0, NOW)
    shown = await accounts.notices(phone.id)
    await administration.open_break_glass("alice", HOUR, "two", 0, NOW + 1)
    await accounts.decide(
        phone.id,
        phone.ratchet.current,
        bytes(32),
        opened=phone.ratchet,
        success=True,
        now=NOW,
        shown=shown,
    )
    late = await accounts.decide(
        phone.id,
        phone.ratchet.current,
        bytes(32),
        opened=phone.ratchet,
        success=True,
        now=NOW,
        shown=await accounts.notices(phone.id),
    )
    assert late is Decided.OVERTAKEN
    texts = [each.text for each in await accounts.notices(phone.id)]
    assert [text.rpartition(": ")[2] for text in texts] == ["one", "two"]
    assert "used never" in texts[0]


async def test_the_end_is_told_with_its_uses(
    accounts: Accounts, administration: Administration
) -> None:
    phone = await enrol(accounts)
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    for account, at in (
        ("alice", NOW + 5),
        ("alice", NOW + 6),
        ("bob", NOW + 5),
        ("alice", NOW - 5),
    ):
        await accounts.audit(AuditEntry(int(at), AuditKind.SIGN_ON, account, "break-glass", "sshd"))
    await administration.end_old_break_glass(NOW + HOUR)
    (told,) = await accounts.notices(phone.id)
    assert ", used 2 times: lost phone" in told.text


async def test_a_clock_that_is_set_back_moves_it_and_what_is_told(
    accounts: Accounts, administration: Administration
) -> None:
    phone = await enrol(accounts)
    opened = await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    await administration.move_break_glass(600)
    (moved,) = await administration.break_glass()
    assert (moved.opened, moved.until) == (opened.opened - 600, opened.until - 600)
    (told,) = await accounts.notices(phone.id)
    assert told.text == moved.notice()
    await administration.end_old_break_glass(NOW + HOUR - 600)
    (told,) = await accounts.notices(phone.id)
    assert ", used never" in told.text


async def test_notices_are_bounded(accounts: Accounts, administration: Administration) -> None:
    phone = await enrol(accounts)
    for number in range(MAX_NOTICES + 3):
        await administration.open_break_glass("alice", HOUR, f"reason {number}", 0, NOW + number)
    found = await accounts.notices(phone.id)
    assert len(found) == MAX_NOTICES
    assert found[-1].text.endswith(f"reason {MAX_NOTICES + 2}")


async def test_notices_go_with_their_device(
    accounts: Accounts, administration: Administration
) -> None:
    phone = await enrol(accounts)
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    await Enrolments(accounts.store).revoke("alice", phone.id, NOW)
    rows = accounts.store.db.execute("SELECT count(*) FROM notice").fetchone()[0]
    assert rows == 0
    assert await accounts.breakglass("alice", NOW) is not None  # for who has no device at all


# ---- the audit log -------------------------------------------------------------------------------


async def test_a_decision_and_its_entry_are_one(accounts: Accounts) -> None:
    phone = await enrol(accounts)
    entry = AuditEntry(
        int(NOW), AuditKind.SIGN_ON, "alice", "approved", "sshd", "192.0.2.7", 1, "", bytes(32)
    )

    async def decide(*, broken: bool = False) -> Decided:
        return await accounts.decide(
            phone.id,
            phone.ratchet.current,
            b"short" if broken else bytes(32),
            opened=phone.ratchet,
            success=True,
            now=NOW,
            audit=lambda decided: entry if decided is Decided.MOVED else None,
        )

    with pytest.raises(StoreError):
        await decide(broken=True)
    assert [kind for kind, *_ in await audited(accounts)] == ["enrolment"]
    assert await decide() is Decided.MOVED
    assert await decide() is Decided.OVERTAKEN
    (_, (_, found)) = await Administration(accounts.store).audit(0, 0)
    assert found == entry


async def test_what_devices_fail_at_is_audited(accounts: Accounts) -> None:
    phone = await enrol(accounts)
    for _ in range(11):
        await accounts.count_failure(phone.id, NOW)
    failures = [line for line in await audited(accounts) if line[0] == "failure"]
    assert failures[0] == ("failure", "alice", "counted", "failure 1")
    assert [line[2] for line in failures[8:]] == ["counted", "device disabled", "counted"]


async def test_enrolment_and_revocation_are_audited(accounts: Accounts) -> None:
    phone = await enrol(accounts)
    await Enrolments(accounts.store).revoke("alice", phone.id, NOW, "by uid 0")
    assert await audited(accounts) == [
        ("enrolment", "alice", "enrolled", "phone"),
        ("revocation", "alice", "revoked", "phone by uid 0"),
    ]


async def test_the_log_is_bounded(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration_rows, "MAX_AUDIT", 10)
    for number in range(25):
        await accounts.audit(AuditEntry(number, AuditKind.SIGN_ON, "alice", f"{number}"))
    found = await Administration(accounts.store).audit(0, 0)
    assert [entry.outcome for _, entry in found] == [str(number) for number in range(15, 25)]


async def test_it_is_read_in_pieces_and_since_a_moment(
    accounts: Accounts, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pam_agent.administration.AUDIT_BATCH", 4)
    for number in range(10):
        await accounts.audit(AuditEntry(number, AuditKind.SIGN_ON, "alice", f"{number}"))
    found, after = [], 0
    while piece := await administration.audit(3, after):
        assert len(piece) <= 4
        found += [entry.at for _, entry in piece]
        after = piece[-1][0]
    assert found == list(range(3, 10))


async def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        async with Accounts.open(disk / "state", NOW) as accounts:
            phone = await enrol(accounts)
            administration = Administration(accounts.store)
            filler = fill(disk)
            with pytest.raises(StoreError, match="disk is full"):  # noqa: PT012
                for number in range(100):
                    await accounts.audit(AuditEntry(number, AuditKind.SIGN_ON, "alice", "x" * 99))
            before = dump(accounts)
            for change in (
                administration.open_break_glass("alice", HOUR, "r" * 99, 0, NOW),
                administration.set_alias("tom", "thomas", 0, NOW),
                administration.set_methods("alice", "*", (Method.CODE,), 0, NOW),
                Enrolments(accounts.store).revoke("alice", phone.id, NOW),
            ):
                with pytest.raises(StoreError, match="disk is full"):
                    await change
            assert dump(accounts) == before
            assert await accounts.breakglass("alice", NOW) is None
            filler.unlink()
            await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
            assert await accounts.breakglass("alice", NOW) is not None


def dump(accounts: Accounts) -> list[str]:
    db: sqlite3.Connection = accounts.store.db
    return list(db.iterdump())
