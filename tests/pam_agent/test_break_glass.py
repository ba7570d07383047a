import pytest

from pam_agent.break_glass import (
    MAX_BREAK_GLASS,
    MAX_REASON,
    MIN_BREAK_GLASS,
    BreakGlass,
    seconds_of,
)
from protocol.signon_messages import MAX_ALERT

OPENED = 1_800_000_000  # 15 Jan 2027 08:00 UTC
HOURS = 3600
BREAK_GLASS = BreakGlass("alice", OPENED, OPENED + 2 * HOURS, "lost phone", 0)


@pytest.mark.parametrize(
    ("after", "holds"),
    [
        (-1, False),
        (-0.001, False),
        (0, True),
        (2 * HOURS - 0.001, True),
        (2 * HOURS, False),
        (9 * HOURS, False),
    ],
)
def test_it_holds_in_its_time_only(after: float, holds: bool) -> None:
    assert BREAK_GLASS.holds(OPENED + after) is holds


def test_none_holds_longer_than_the_longest() -> None:
    """Whatever the store says."""
    endless = BreakGlass("alice", OPENED, OPENED + 1000 * HOURS, "x", 0)
    assert endless.holds(OPENED + MAX_BREAK_GLASS - 1)
    assert not endless.holds(OPENED + MAX_BREAK_GLASS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("1m", 60),
        ("90m", 5400),
        ("2h", 7200),
        ("24h", MAX_BREAK_GLASS),
        ("1d", MAX_BREAK_GLASS),
        ("59s", None),
        ("1441m", None),
        ("25h", None),
        ("2d", None),
        ("0h", None),
        ("2", None),
        ("", None),
        ("h", None),
        ("-2h", None),
        ("2 h", None),
        ("2H", None),
        ("٢h", None),
        ("9999999h", None),
        ("2h\n", None),
    ],
)
def test_how_long(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_bounds_are_what_they_say() -> None:
    assert (MIN_BREAK_GLASS, MAX_BREAK_GLASS) == (60, 86400)


def test_what_devices_are_told() -> None:
    assert (
        BREAK_GLASS.notice()
        == "break-glass for alice, 15 Jan 08:00 to 15 Jan 10:00 UTC: lost phone"
    )
    told = BREAK_GLASS.last_notice(OPENED + HOURS, 0)
    assert told.endswith("08:00 to 15 Jan 09:00 UTC, used never: lost phone")
    assert "to 15 Jan 10:00 UTC, used once: " in BREAK_GLASS.last_notice(OPENED + 9 * HOURS, 1)
    assert "used 17 times: " in BREAK_GLASS.last_notice(OPENED, 17)


def test_by_a_clock_that_was_set_back() -> None:
    moved = BREAK_GLASS.moved(HOURS)
    assert moved.holds(OPENED - 1)
    assert not moved.holds(OPENED + HOURS)


def test_the_times_are_never_cut_off() -> None:
    longest = BreakGlass("a" * 32, OPENED, OPENED + HOURS, "r" * MAX_REASON, 0)
    told = longest.last_notice(OPENED + HOURS, 1000)
    assert told.index(": r") < MAX_ALERT
