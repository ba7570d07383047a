"""One approval with real parts: what happens between the disk and the answer, and late."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pam_agent.approval import LATE_GRACE
from pam_agent.dialogue import Dialogue
from pam_agent.fan_out import LOOK_AGAIN
from pam_agent.local_wire import Result
from pam_agent.server import boot_time
from pam_agent.session import Session
from protocol.signon_messages import SignOnOutcome, Verdict
from relay.outcomes import RequestOutcome
from tests.support.caller import Caller
from tests.support.services import service
from tests.support.together import QUICK_HOLD, Together, ends, signs_on, timers, together
from validator.outcomes import Outcome

# ---- between the disk and the answer -------------------------------------------------------------


@contextmanager
def slow_commit(parts: Together) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The next COMMIT of the store sets the first event and waits for the second."""
    begun, go_on = threading.Event(), threading.Event()

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            begun.set()
            go_on.wait()

    # It stays: to take it back while the store's thread is in it would be a deadlock.
    parts.agent.host.accounts.store.db.set_trace_callback(trace)
    try:
        yield begun, go_on
    finally:
        go_on.set()


async def decided_meanwhile(parts: Together, caller: Caller, give_up: Callable[[], None]) -> None:
    """The device approves, and while that is being stored `give_up` happens."""
    async with parts.phone.attempt(await caller.passcode()) as attempt:
        await attempt.context()
        with slow_commit(parts) as (begun, go_on):
            await attempt.decide()
            await trio.to_thread.run_sync(begun.wait)
            give_up()
            await wait_all_tasks_blocked(0.02)
            go_on.set()
            assert (await attempt.receipt()).outcome is SignOnOutcome.REFUSED
            await attempt.confirm()


@pytest.mark.parametrize(
    ("verdict", "end"), [(Verdict.APPROVE, "approved"), (Verdict.DENY, "denied")]
)
async def test_an_agent_that_stops_just_behind_a_receipt_keeps_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: Verdict, end: str
) -> None:
    async with together(tmp_path) as parts:
        send = Session._send

        def send_and_stop(session: Session, frame: bytes) -> None:
            send(session, frame)
            if session.decided is not None:
                parts.agent.scope.cancel()

        monkeypatch.setattr(Session, "_send", send_and_stop)
        async with parts.agent.call() as caller:
            await parts.phone.sign_on(await caller.passcode(), verdict)
            assert (await caller.result() is Result.APPROVED) == (verdict is Verdict.APPROVE)
        await parts.ended(end)


async def test_a_caller_that_goes_while_the_approval_is_stored(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call() as caller:
            await decided_meanwhile(parts, caller, caller.stream.socket.close)
        line = await parts.ended("cancelled")
        assert {"decided", "confirmed"} < line["steps"].keys()
        async with parts.agent.call() as caller:  # the ratchet has moved on both sides
            await signs_on(parts, caller, await caller.passcode())


async def test_a_revocation_while_the_approval_is_stored(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call() as caller:
            revoke = partial(parts.agent.host.waiting.revoke, "alice")
            await decided_meanwhile(parts, caller, revoke)
            assert await caller.result() is Result.DENIED
        await parts.ended("revoked")


async def test_a_stop_while_the_approval_is_stored(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, parts.agent.call() as caller:
        async with parts.phone.attempt(await caller.passcode()) as attempt:
            await attempt.context()
            with slow_commit(parts) as (begun, go_on):
                await attempt.decide()
                await trio.to_thread.run_sync(begun.wait)
                parts.agent.scope.cancel()
                await wait_all_tasks_blocked(0.02)
                go_on.set()
                await attempt.gone()
            assert await caller.result() is Result.DENIED
        await parts.ended("stopped")


async def test_a_cancelled_sign_on_leaves_the_device_at_once(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            await caller.stream.aclose()
            await attempt.gone()
        await parts.ended("cancelled")


# ---- the host's clock, which goes on while the host sleeps ---------------------------------------


@dataclass
class SleepyHost:
    """A host's clock and Trio's, which stands still while the host sleeps."""

    asleep: float = 0.0

    def clock(self) -> float:
        return boot_time() + self.asleep

    async def sleep(self) -> None:
        """An hour of sleep, when the agent has nothing left to do."""
        await wait_all_tasks_blocked(0.02)
        self.asleep = 3600.0


async def test_a_passcode_does_not_outlive_its_time_in_a_sleeping_host(tmp_path: Path) -> None:
    host = SleepyHost()
    async with together(tmp_path, clock=host.clock, limits=QUICK_HOLD) as parts:
        async with parts.agent.call() as caller:
            code = await caller.passcode()
            await host.sleep()
            assert (await parts.phone.sign_on(code)).outcome is Outcome.NO_SUCH_SIGN_ON
            assert await caller.result() is Result.DENIED
        await parts.ended("expired")


async def test_the_end_is_seen_soon_after_the_host_woke_up(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    mock_clock.rate = 1.0
    host = SleepyHost()
    async with together(tmp_path, clock=host.clock) as parts, parts.agent.call() as caller:
        await caller.passcode()
        await host.sleep()
        mock_clock.jump(LOOK_AGAIN)
        assert await caller.result() is Result.DENIED
        await parts.ended("expired")


async def test_a_passcodes_time_runs_from_before_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = SleepyHost()
    show = Dialogue.show

    async def show_and_sleep(self: Dialogue, *texts: str) -> None:
        await show(self, *texts)
        host.asleep = 3600.0

    monkeypatch.setattr(Dialogue, "show", show_and_sleep)
    async with together(tmp_path, clock=host.clock) as parts, parts.agent.call() as caller:
        with trio.fail_after(LOOK_AGAIN):
            assert await caller.result() is Result.DENIED
        await parts.ended("expired")


async def test_a_decision_after_the_hosts_sleep_is_too_late(tmp_path: Path) -> None:
    host = SleepyHost()
    async with together(tmp_path, clock=host.clock) as parts, parts.agent.call() as caller:
        async with parts.phone.attempt(await caller.passcode()) as attempt:
            await attempt.context()
            await host.sleep()
            assert await attempt.outcome() is SignOnOutcome.TOO_LATE
            await attempt.confirm()
        assert await caller.result() is Result.DENIED
        await parts.ended("undecided")


async def test_a_device_that_stays_silent_after_its_time_is_not_waited_for(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    mock_clock.rate = 1.0
    quick = timers(acknowledgement=0.1)
    async with together(tmp_path, timers=quick, clock=trio.current_time) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            assert await caller.result() is Result.DENIED
            for _ in range(round(LATE_GRACE / LOOK_AGAIN)):
                await wait_all_tasks_blocked(0.02)
                mock_clock.jump(LOOK_AGAIN)
            await attempt.gone()
        await parts.ended("undecided")


async def test_a_denial_that_comes_late_is_still_a_denial(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(acknowledgement=0.1)) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            assert await caller.result() is Result.DENIED
            assert await attempt.outcome(Verdict.REPORT) is SignOnOutcome.REFUSED
            await attempt.confirm()
        await parts.ended("undecided")


async def test_what_is_no_decision_late_is_nothing(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(acknowledgement=0.1)) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            assert await caller.result() is Result.DENIED
            await attempt.connection.send(bytes(272))
            await attempt.gone()
        await parts.ended("undecided")
        assert ends(parts.relay) == [RequestOutcome.WITHDRAWN]


async def test_the_whole_sign_on_has_an_end(tmp_path: Path) -> None:
    short = timers()
    msgspec.structs.force_setattr(short, "sign_on", 0.3)
    services = {"sudo": replace(service("sudo"), timers=short)}
    async with together(tmp_path, services=services) as parts, parts.agent.call() as caller:
        async with parts.phone.attempt(await caller.passcode()) as attempt:
            assert (await attempt.context()).seconds_left == 0
            assert await caller.result() is Result.DENIED
        await parts.ended("undecided")
