"""Clocks that jump, under the real relay and the real agent.

A wall clock is set by people and by NTP: it writes the time into logs and contexts, and decides
nothing. What lasts, lasts by a clock that nobody sets, and there are two. The relay goes by
CLOCK_MONOTONIC, as Trio does. It stands still while a machine is suspended: a bastion that slept
could be reached by nobody, so nobody is late for it. The agent goes by CLOCK_BOOTTIME, which counts
the sleep: a laptop that wakes up an hour later must not take a passcode of an hour ago.
"""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
import trio

from pam_agent.fan_out import LOOK_AGAIN
from pam_agent.local_wire import Result
from pam_agent.outcomes import SignOnEnd
from relay.limits import Limits
from tests.support.bare_validator import is_reset
from tests.support.caller import Caller, calling
from tests.support.moved_clocks import moved_clocks
from tests.support.namespace import USER
from tests.support.plain_host import Programs, programs
from tests.support.programs import Daemon, Entry
from validator.outcomes import Outcome

HOUR: Final = 3600
VALIDATION: Final = 10.0
"""Seconds that a passcode is valid, the least there may be: one is waited for."""
LATE: Final = 8.0
"""Seconds that a busy machine may add; a clock that counted would take an hour off, or add one."""


async def _signs_on(running: Programs, caller: Caller) -> None:
    ending = await running.phone.sign_on(await caller.passcode())
    assert ending.outcome is Outcome.SIGNED_ON
    assert await caller.result() is Result.APPROVED


@pytest.mark.parametrize("program", ["relay", "agent"])
@pytest.mark.parametrize("first", [HOUR, -HOUR])
async def test_a_wall_clock_decides_nothing(tmp_path: Path, program: str, first: int) -> None:
    """It jumps an hour one way, then two the other way; whatever is under way takes its time."""
    async with AsyncExitStack() as stack:
        clocks = stack.enter_context(moved_clocks(tmp_path / "clocks"))
        prefix = {f"{program}_prefix": clocks.prefix}
        running = await stack.enter_async_context(
            programs(tmp_path, validation=VALIDATION, **prefix)
        )
        socket = running.parts.socket

        async def forgotten() -> None:
            began = trio.current_time()
            async with calling(socket, USER) as caller:
                assert await caller.result() is Result.DENIED
            assert VALIDATION <= trio.current_time() - began <= VALIDATION + LATE

        async def stranger() -> None:
            began = trio.current_time()
            async with await trio.open_tcp_stream(*running.validators) as connection:
                await is_reset(connection)
            limits = Limits()
            assert limits.hold <= trio.current_time() - began
            assert trio.current_time() - began <= limits.hold + limits.hold_jitter + LATE

        async with trio.open_nursery() as nursery:
            nursery.start_soon(forgotten)
            nursery.start_soon(stranger)
            async with calling(socket, USER) as one, calling(socket, USER) as other:
                async with running.phone.attempt(await one.passcode()) as attempt:
                    await other.passcode()
                    await attempt.context()
                    clocks.set_wall(first)
                    await trio.sleep(1)
                    await attempt.decide()
                    await attempt.receipt()
                    await attempt.confirm()
                    assert await one.result() is Result.APPROVED
                clocks.set_wall(-first)
                await trio.sleep(1)
                await _signs_on(running, other)

        agent, relay = running.parts.agent, running.parts.relay
        await agent.logged("sign-on ended", 3)
        await relay.logged("request ended", 4)  # the enrolment's proof is one
        daemon = relay if program == "relay" else agent
        ahead = daemon.log[-1]["time"] - time.time()
        assert abs(ahead + first) < HOUR / 2, "its clock has not jumped at all"
        assert sorted(_ends(agent)) == [SignOnEnd.APPROVED, SignOnEnd.APPROVED, SignOnEnd.EXPIRED]
        assert not _events(agent, "link lost")


async def test_a_relay_that_slept_has_missed_nothing(tmp_path: Path) -> None:
    with moved_clocks(tmp_path / "clocks") as clocks:
        async with (
            programs(tmp_path, relay_prefix=clocks.prefix) as running,
            calling(running.parts.socket, USER) as caller,
        ):
            passcode = await caller.passcode()
            clocks.sleep(HOUR)
            assert (await running.phone.sign_on(passcode)).outcome is Outcome.SIGNED_ON
            assert await caller.result() is Result.APPROVED
            assert not _events(running.parts.agent, "link lost")


async def test_an_agent_that_slept_takes_no_passcode_of_before(tmp_path: Path) -> None:
    """Neither one that waits nor one whose device decides; the next one is good again."""
    with moved_clocks(tmp_path / "clocks") as clocks:
        async with programs(tmp_path, agent_prefix=clocks.prefix) as running:
            socket, agent = running.parts.socket, running.parts.agent
            async with (
                calling(socket, USER) as one,
                calling(socket, USER) as other,
                running.phone.attempt(await one.passcode()) as attempt,
            ):
                await other.passcode()
                await attempt.context()
                clocks.sleep(HOUR)
                with trio.fail_after(LOOK_AGAIN + LATE):
                    assert await one.result() is Result.DENIED
                    assert await other.result() is Result.DENIED
            await agent.logged("sign-on ended", 2)
            assert sorted(_ends(agent)) == [SignOnEnd.EXPIRED, SignOnEnd.UNDECIDED]
            async with calling(socket, USER) as caller:
                await _signs_on(running, caller)


def _ends(agent: Daemon) -> list[str]:
    return [each["outcome"] for each in _events(agent, "sign-on ended")]


def _events(daemon: Daemon, event: str) -> list[Entry]:
    return [each for each in daemon.log if each["event"] == event]
