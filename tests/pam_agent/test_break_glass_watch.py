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
    set_by = 0.0
    """How far it is off what it would be, had nobody set it."""

    def __call__(self) -> float:
        return self.now

    def boot(self) -> float:
        return self.now - self.set_by

    def go(self, seconds: float) -> None:
        self.now += seconds

    def set(self, seconds: float) -> None:
        self.now += seconds
        self.set_by += seconds


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
    watch = BreakGlassWatch(administration, clock, clock.boot)
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
            nursery.start_soon(BreakGlassWatch(administration, clock, clock.boot).run)
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
            nursery.start_soon(BreakGlassWatch(administration, clock, clock.boot).run)
            await until(lambda: bool(logs))
            nursery.cancel_scope.cancel()
    assert told(logs) == [("break-glass ended", "alice")]


async def test_a_store_that_fails_is_told_and_asked_again(
    administration: Administration, clock: Clock
) -> None:
    watch = BreakGlassWatch(administration, clock, clock.boot)
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


async def held(
    administration: Administration, clock: Clock, steps: list[tuple[str, float]]
) -> bool:
    """Whether alice's, of an hour, is open after the clock has gone and was set so."""
    watch = BreakGlassWatch(administration, clock, clock.boot)
    await administration.open_break_glass("alice", HOUR, "lost phone", 0, clock.now)
    await watch._turn()
    for step, seconds in steps:
        getattr(clock, step)(seconds)
        await watch._turn()
    return bool(await administration.break_glass())


@pytest.mark.parametrize(
    ("steps", "open_still"),
    [
        ([("go", 3500.0)], True),
        ([("go", 3500.0), ("set", -3000.0), ("go", 99.0)], True),
        ([("go", 3500.0), ("set", -3000.0), ("go", 102.0)], False),
        ([("go", 3500.0), ("set", -3000.0)] * 9, False),
        ([("set", -1e6), ("go", 3598.0)], True),
        ([("set", -1e6), ("go", 3602.0)], False),
        ([("set", -0.4)] * 9 + [("go", 3598.0)], False),
        ([("set", 3000.0)], True),
        ([("set", 3000.0), ("go", 601.0)], False),
        ([("set", 3000.0), ("go", 500.0), ("set", -3000.0), ("go", 3000.0)], True),
        ([("set", 3000.0), ("go", 500.0), ("set", -3000.0), ("go", 3101.0)], False),
    ],
)
async def test_a_clock_that_is_set_prolongs_nothing(
    administration: Administration,
    clock: Clock,
    steps: list[tuple[str, float]],
    open_still: bool,
) -> None:
    assert await held(administration, clock, steps) is open_still


async def test_one_after_the_other_begins_anew(
    administration: Administration, clock: Clock
) -> None:
    """What the clock did while none was open counts for nothing."""
    watch = BreakGlassWatch(administration, clock, clock.boot)
    for _ in range(2):
        await administration.open_break_glass("alice", HOUR, "lost phone", 0, clock.now)
        await watch._turn()
        assert await administration.break_glass()
        clock.go(HOUR)
        await watch._turn()
        assert not await administration.break_glass()
        clock.set(-HOUR)


def test_a_clock_that_is_set_on_is_noticed_within_a_minute() -> None:
    assert LONGEST_SLEEP == 60
