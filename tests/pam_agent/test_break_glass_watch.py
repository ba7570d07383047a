from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
import trio
from structlog.typing import EventDict

from pam_agent.accounts import Accounts
from pam_agent.administration import Administration
from pam_agent.break_glass_watch import LONGEST_SLEEP, BreakGlassWatch
from tests.support.agent_store import NOW
from tests.support.patience import until

HOUR = 3600


class Clock:
    """The wall's, and the test's."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def administration(tmp_path: Path) -> AsyncIterator[Administration]:
    async with Accounts.open(tmp_path / "state", NOW) as accounts:
        yield Administration(accounts.store)


def told(logs: list[EventDict]) -> list[tuple[str, str]]:
    return [(each["event"], each.get("user", "")) for each in logs]


async def test_it_ends_what_is_over_and_no_other(
    administration: Administration, clock: Clock
) -> None:
    watch = BreakGlassWatch(administration, clock)
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    await administration.open_break_glass("bob", 2 * HOUR, "lost phone", 0, NOW)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            await until(lambda: len(logs) == 2)
            clock.now = NOW + HOUR
            watch.look()
            await until(lambda: len(logs) == 3)
            clock.now = NOW + 2 * HOUR
            watch.look()
            await until(lambda: len(logs) == 4)
            nursery.cancel_scope.cancel()
    assert told(logs) == [
        *(("break-glass opened", user) for user in ("alice", "bob")),
        *(("break-glass ended", user) for user in ("alice", "bob")),
    ]
    assert all(each["log_level"] == "warning" for each in logs)
    assert await administration.break_glass() == ()


async def test_it_wakes_by_itself(administration: Administration, clock: Clock) -> None:
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    clock.now = NOW + HOUR - 0.2
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(BreakGlassWatch(administration, clock).run)
            await until(lambda: bool(logs))
            clock.now = NOW + HOUR
            await until(lambda: len(logs) == 2)
            nursery.cancel_scope.cancel()
    assert told(logs) == [("break-glass opened", "alice"), ("break-glass ended", "alice")]


async def test_what_was_over_while_the_agent_was_down_is_ended_at_its_start(
    administration: Administration, clock: Clock
) -> None:
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    clock.now = NOW + 9 * HOUR
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(BreakGlassWatch(administration, clock).run)
            await until(lambda: bool(logs))
            nursery.cancel_scope.cancel()
    assert told(logs) == [("break-glass ended", "alice")]


async def test_a_store_that_fails_is_told_and_asked_again(
    administration: Administration, clock: Clock
) -> None:
    watch = BreakGlassWatch(administration, clock)
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, NOW)
    clock.now = NOW + HOUR
    db = administration._store.db
    db.execute("PRAGMA query_only = ON")
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            await until(lambda: ("store failed", "") in told(logs))
            db.execute("PRAGMA query_only = OFF")
            watch.look()
            await until(lambda: ("break-glass ended", "alice") in told(logs))
            nursery.cancel_scope.cancel()


def test_a_clock_that_is_set_on_is_noticed_within_a_minute() -> None:
    assert LONGEST_SLEEP == 60
