"""Leases, and sign-ons that wait for one another, with real parts."""

import dataclasses
import os
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from pam_agent import host_signon, lease_audit
from pam_agent.administration import Administration
from pam_agent.lease_uses import ENTRY_SECONDS
from pam_agent.local_wire import RecordType, Result
from pam_agent.pending import MAX_JOINED
from pam_agent.policy import DISABLING_FAILURE
from pam_agent.report import story_lines
from pam_agent.server import boot_time
from pam_agent.service_policy import ServicePolicy
from protocol.signon_messages import Verdict
from tests.support.caller import Caller
from tests.support.patience import until
from tests.support.services import service, with_codes
from tests.support.together import Together, signs_on, timers, together
from tests.support.typed_codes import response, ticket_of

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

HERE = {"service": "sshd", "first_factor": "publickey", "rhost": "192.0.2.1"}
LEASE = 600.0


@pytest.fixture(autouse=True)
def _sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_signon, "WRONG_AFTER", 0.3)


def leased(**keys: Any) -> dict[str, ServicePolicy]:
    return {"sshd": with_codes("sshd", **({"lease": LEASE} | keys))}


def with_tickets() -> dict[str, ServicePolicy]:
    return {"dovecot": service("dovecot", lease=LEASE)}


class LaterClock:
    """The host's clock, which a test may set forward: the machine has slept."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return boot_time() + self.slept


async def approved(parts: Together, **fields: Any) -> None:
    async with parts.agent.call(**(HERE | fields)) as caller:
        await signs_on(parts, caller, await caller.passcode())


async def is_asked(parts: Together, user: str = "alice", **fields: Any) -> bool:
    """Whether a sign-on has to be approved; if not, it has succeeded."""
    async with parts.agent.call(user, **(HERE | fields)) as caller:
        kind, payload = await caller.record()
        if kind is not RecordType.RESULT:
            return True
        assert Result(payload[0]) is Result.APPROVED
        return False


async def joined(parts: Together, count: int) -> None:
    """So many wait with another sign-on."""

    def waiting() -> bool:
        return sum(each.joined for each in parts.agent.host.pending) >= count

    await until(waiting)


# ---- leases --------------------------------------------------------------------------------------


async def test_who_has_signed_on_is_not_asked_again_from_there(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        assert await is_asked(parts)
        await approved(parts)
        assert not await is_asked(parts)
        line = await parts.ended("lease", 3)
        assert line["device"] is None
        assert await is_asked(parts, rhost="192.0.2.2")
        assert await is_asked(parts, rhost="")
        assert await is_asked(parts, first_factor="")
        assert await is_asked(parts, first_factor="password")
        assert await is_asked(parts, service="sudo")
        assert await is_asked(parts, user="mallory")


async def test_who_is_let_in_by_one_is_in_the_audit_log_in_a_bounded_way(tmp_path: Path) -> None:
    clock = LaterClock()
    async with together(tmp_path, services=leased(lease=86400.0), clock=clock) as parts:

        async def entries() -> list[tuple[str, ...]]:
            found = await Administration(parts.agent.host.accounts.store).audit(0, 0)
            told = [each for _, each in found if each.outcome == "lease"]
            return [(each.account, each.service, each.remote, each.detail) for each in told]

        await approved(parts)
        assert await entries() == []
        for _ in range(3):
            assert not await is_asked(parts)
        one = ("alice", "sshd", "192.0.2.1", "")
        assert await entries() == [one]
        clock.slept = ENTRY_SECONDS
        assert not await is_asked(parts)
        three = ("alice", "sshd", "192.0.2.1", "3 times since the entry before")
        assert await entries() == [one, three]
        assert not await is_asked(parts)
        await parts.agent.stop()
    store = sqlite3.connect(tmp_path / "state" / "agent.db")
    (details,) = store.execute("SELECT group_concat(detail, ';') FROM audit WHERE outcome='lease'")
    store.close()
    assert details[0].split(";")[1:] == [three[3], ""], "what was left when it stopped"


async def test_what_is_due_is_written_though_nobody_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_audit, "LOOK", 0.05)
    clock = LaterClock()
    async with together(tmp_path, services=leased(lease=86400.0), clock=clock) as parts:
        db = parts.agent.host.accounts.store.db

        def details() -> list[str]:
            return [row[0] for row in db.execute("SELECT detail FROM audit WHERE outcome='lease'")]

        await approved(parts)
        for _ in range(3):
            assert not await is_asked(parts)
        clock.slept = ENTRY_SECONDS
        await until(lambda: len(details()) == 2)
        assert details() == ["", "2 times since the entry before"]


async def test_a_lease_that_cannot_be_written_down_lets_nobody_in(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        await approved(parts)
        parts.agent.host.accounts.store.db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'full'); END"
        )
        async with parts.agent.call(**HERE) as caller:
            assert await caller.result() is Result.FAILED


async def test_without_a_lease_everybody_is_asked_each_time(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await approved(parts)
        assert await is_asked(parts)
        assert len(parts.agent.host.leases) == 0


@pytest.mark.parametrize(
    "fields",
    [{"rhost": ""}, {"rhost": "UNKNOWN"}, {"rhost": "a.example"}, {"first_factor": ""}],
    ids=str,
)
async def test_there_is_none_without_a_first_factor_and_an_address(
    tmp_path: Path, fields: dict[str, str]
) -> None:
    async with together(tmp_path, services=leased()) as parts:
        await approved(parts, **fields)
        assert await is_asked(parts, **fields)
        assert len(parts.agent.host.leases) == 0


@needs_root
async def test_what_a_users_own_program_was_told_says_nothing_to_sshd(tmp_path: Path) -> None:
    for each in (tmp_path, *tmp_path.parents):
        each.chmod(each.stat().st_mode | 0o011)
    callers = {"nobody": ("sshd",)}
    async with together(tmp_path, services=leased(), callers=callers) as parts:
        await approved(parts, uid=65534)
        assert not await is_asked(parts, uid=65534)
        assert await is_asked(parts)


async def test_it_ends_at_its_time_though_the_host_has_slept(tmp_path: Path) -> None:
    clock = LaterClock()
    async with together(tmp_path, services=leased(), clock=clock) as parts:
        await approved(parts)
        clock.slept = LEASE - 60
        assert not await is_asked(parts)
        clock.slept = LEASE
        assert await is_asked(parts)


async def test_it_ends_with_a_revocation(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        await approved(parts)
        parts.agent.agent.revoked("alice")
        assert await is_asked(parts)


async def test_it_ends_with_a_report(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        await approved(parts)
        async with parts.agent.call(**(HERE | {"rhost": "192.0.2.66"})) as caller:
            await parts.phone.sign_on(await caller.passcode(), Verdict.REPORT)
            assert await caller.result() is Result.DENIED
        await parts.ended("reported", 2)
        assert await is_asked(parts)


async def one_failure_before_the_end(parts: Together) -> None:
    db = parts.agent.host.accounts.store.db
    db.execute("UPDATE device SET failures = ?", (DISABLING_FAILURE - 1,))


async def test_it_ends_when_wrong_codes_disable_a_device(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        await approved(parts)
        await one_failure_before_the_end(parts)
        async with parts.agent.call(**(HERE | {"rhost": "192.0.2.66"})) as caller:
            code = response(parts.phone.record, await caller.passcode())
            wrong = f"{(int(code) + 1) % 10**8:08}"
            await caller.send(RecordType.ANSWER, wrong.encode())
            assert await caller.result() is Result.DENIED
        await parts.log.event("device disabled")
        assert await is_asked(parts)


async def test_it_is_as_long_as_the_configuration_says_now(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        await approved(parts)
        agent = parts.agent.agent
        agent.adopt(replaced(parts, {}))
        assert await is_asked(parts)
        agent.adopt(replaced(parts, leased()))
        assert not await is_asked(parts)


def replaced(parts: Together, services: dict[str, ServicePolicy]) -> Any:
    return dataclasses.replace(parts.agent.agent.config, services=services)


async def test_a_code_grants_one_too(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        async with parts.agent.call(**HERE) as caller:
            code = response(parts.phone.record, await caller.passcode())
            await caller.send(RecordType.ANSWER, code.encode())
            assert await caller.result() is Result.APPROVED
        assert not await is_asked(parts)


async def test_what_could_not_be_written_down_grants_none(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        db = parts.agent.host.accounts.store.db
        db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit WHEN new.outcome = 'code'"
            " BEGIN SELECT raise(ABORT, 'full'); END"
        )
        async with parts.agent.call(**HERE) as caller:
            code = response(parts.phone.record, await caller.passcode())
            await caller.send(RecordType.ANSWER, code.encode())
            assert await caller.result() is Result.FAILED
        assert await is_asked(parts)


async def test_a_denial_grants_none(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts:
        async with parts.agent.call(**HERE) as caller:
            await parts.phone.sign_on(await caller.passcode(), Verdict.DENY)
            assert await caller.result() is Result.DENIED
        assert await is_asked(parts)


# ---- where nothing can be shown ------------------------------------------------------------------


async def typed(parts: Together, text: str, **fields: Any) -> Result:
    start = {"service": "dovecot", "rhost": "192.0.2.1"} | fields
    async with parts.agent.call(**start) as caller:
        assert await caller.text() is RecordType.SECRET
        await caller.send(RecordType.ANSWER, text.encode())
        return await caller.result()


async def test_a_mail_program_that_keeps_its_ticket_is_let_in_again(tmp_path: Path) -> None:
    async with together(tmp_path, services=with_tickets()) as parts:
        ticket = ticket_of(parts.phone.record, "dovecot")
        for _ in range(3):
            assert await typed(parts, ticket) is Result.APPROVED
        await parts.ended("lease", 3)


async def test_a_neighbour_behind_the_same_address_gains_nothing(tmp_path: Path) -> None:
    async with together(tmp_path, services=with_tickets()) as parts:
        ticket = ticket_of(parts.phone.record, "dovecot")
        assert await typed(parts, ticket) is Result.APPROVED
        assert await typed(parts, "0" * 10) is Result.DENIED
        assert await typed(parts, "") is Result.DENIED
        assert await typed(parts, ticket, rhost="192.0.2.2") is Result.DENIED
        await parts.ended("replayed", 4)


async def test_a_burst_of_connections_needs_one_ticket(tmp_path: Path) -> None:
    async with together(tmp_path, services=with_tickets()) as parts:
        ticket = ticket_of(parts.phone.record, "dovecot")
        results: list[Result] = []

        async def one() -> None:
            results.append(await typed(parts, ticket))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        assert results == [Result.APPROVED] * 20
        await parts.log.event("sign-on ended", 20)
        words = [line["outcome"] for line in parts.log.named("sign-on ended")]
        assert sorted(words) == ["lease"] * 19 + ["ticket"]


async def test_a_burst_with_a_wrong_ticket_is_judged_once(tmp_path: Path) -> None:
    async with together(tmp_path, services=with_tickets()) as parts, AsyncExitStack() as stack:
        start = {"service": "dovecot", "rhost": "192.0.2.1"}
        callers = [await stack.enter_async_context(parts.agent.call(**start)) for _ in range(10)]
        for caller in callers:
            await caller.text()
        for caller in callers:
            await caller.send(RecordType.ANSWER, b"0" * 10)
        for caller in callers:
            assert await caller.result() is Result.DENIED
        await parts.log.event("sign-on ended", 10)
        lines = parts.log.named("sign-on ended")
        assert {line["outcome"] for line in lines} == {"wrong-code"}
        assert all(line["steps"]["ended"] - line["steps"]["typed"] >= 0.3 for line in lines)


# ---- together ------------------------------------------------------------------------------------


async def many(parts: Together, stack: AsyncExitStack, count: int) -> tuple[Caller, list[Caller]]:
    """A sign-on, and those that wait with it."""
    first = await stack.enter_async_context(parts.agent.call(**HERE))
    await first.passcode()
    others = [await stack.enter_async_context(parts.agent.call(**HERE)) for _ in range(count)]
    for other in others:
        assert await other.text() is RecordType.PROMPT
    await joined(parts, count)
    return first, others


async def test_one_approval_is_for_all_that_wait(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, others = await many(parts, stack, 5)
        assert len(parts.agent.host.waiting) == 1
        for other in others:
            ((_, text),) = other.shown
            assert "passcode" not in text
            assert "which is shown already" in text
            await other.send(RecordType.ANSWER, b"12345678")  # only goes on
        await signs_on(parts, first, await first.passcode())
        for other in others:
            assert await other.result() is Result.APPROVED
        await parts.log.event("sign-on ended", 6)
        lines = parts.log.named("sign-on ended")
        (one,) = [line for line in lines if line["outcome"] == "approved"]
        rest = [line for line in lines if line["outcome"] == "lease"]
        assert len(rest) == 5
        assert {line["joined"] for line in rest} == {one["sign_on_id"]}
        assert one["sign_on_id"] in others[0].shown[0][1]
        host = parts.agent.host
        story = host.sign_ons.find(rest[0]["sign_on_id"], host.clock())
        assert story is not None
        assert f"  waited with   {one['sign_on_id']}" in list(story_lines(story))


@pytest.mark.parametrize("verdict", [Verdict.DENY, Verdict.REPORT])
async def test_one_denial_is_for_all_that_wait(tmp_path: Path, verdict: Verdict) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, others = await many(parts, stack, 3)
        await parts.phone.sign_on(await first.passcode(), verdict)
        for caller in (first, *others):
            assert await caller.result() is Result.DENIED
        await parts.log.event("sign-on ended", 4)
        words = {line["outcome"] for line in parts.log.named("sign-on ended")}
        assert words == {"denied" if verdict is Verdict.DENY else "reported"}


async def test_they_expire_together(tmp_path: Path) -> None:
    services = leased(timers=timers(validation=1.0))
    async with together(tmp_path, services=services) as parts, AsyncExitStack() as stack:
        first, others = await many(parts, stack, 2)
        for caller in (first, *others):
            assert await caller.result() is Result.DENIED
        await parts.ended("expired", 3)


@pytest.mark.parametrize("leaves", ["hangs up", "fails", "types a wrong code"])
async def test_when_the_first_one_goes_another_takes_its_place(tmp_path: Path, leaves: str) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, others = await many(parts, stack, 3)
        if leaves == "hangs up":
            await first.stream.aclose()
        elif leaves == "fails":
            await first.send(RecordType.FAILED)
        else:
            await first.send(RecordType.ANSWER, b"12345678")
        second = await next_leader(others)
        assert await parts.phone.sign_on(await second.passcode())
        for other in others:
            assert await other.result() is Result.APPROVED


async def next_leader(callers: list[Caller]) -> Caller:
    """Each is shown something new; the one that is shown a passcode."""
    found = []
    for caller in callers:
        await caller.text()
        if "passcode" in caller.shown[-1][1]:
            found.append(caller)
    (leader,) = found
    return leader


async def test_the_answer_to_an_earlier_prompt_is_none_to_the_next(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, (second,) = await many(parts, stack, 1)
        await first.stream.aclose()
        code = await second.passcode()
        await second.send(RecordType.ANSWER, b"87654321")  # to what was asked first
        await wait_all_tasks_blocked(0.02)
        await second.send(RecordType.ANSWER, response(parts.phone.record, code).encode())
        assert await second.result() is Result.APPROVED
        await parts.ended("code", 2)


async def test_a_revocation_ends_the_one_and_the_next_begins_anew(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, (second,) = await many(parts, stack, 1)
        old = await first.passcode()
        parts.agent.agent.revoked("alice")
        assert await first.result() is Result.DENIED
        assert await second.passcode() != old
        await signs_on(parts, second, await second.passcode())


async def test_only_so_many_wait_with_one(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, others = await many(parts, stack, MAX_JOINED)
        async with parts.agent.call(**HERE) as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("too-many")
        await signs_on(parts, first, await first.passcode())
        for other in others:
            assert await other.result() is Result.APPROVED


async def test_who_waits_does_so_for_the_time_of_a_sign_on(tmp_path: Path) -> None:
    short = timers()
    msgspec.structs.force_setattr(short, "sign_on", 0.5)
    services = leased()
    quick = dataclasses.replace(services["sshd"], timers=short)
    async with together(tmp_path, services=services) as parts, AsyncExitStack() as stack:
        first = await stack.enter_async_context(parts.agent.call(**HERE))
        await first.passcode()
        parts.agent.agent.adopt(replaced(parts, {"sshd": quick}))
        async with parts.agent.call(**HERE) as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("expired")
        await signs_on(parts, first, await first.passcode())


async def test_users_that_are_unknown_wait_together_too(tmp_path: Path) -> None:
    async with together(tmp_path, services=leased()) as parts, AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(parts.agent.call("mallory", **HERE)) for _ in range(2)
        ]
        await first.passcode()
        assert await second.text() is RecordType.PROMPT
        assert "which is shown already" in second.shown[0][1]
