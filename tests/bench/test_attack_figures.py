"""What is asserted of an attack: each criterion holds at its bound and fails beyond."""

import math
from typing import Any

import pytest

from bench.attack_figures import Honest, criteria, ends_counted, most_lines, percentile

CALM = Honest(100, 100, 4.0, 10.0, 11.0, {})
ATTACKED = Honest(1200, 1199, 20.0, 1010.0, 1500.0, {"unreachable": 1})
GOOD: dict[str, Any] = {
    "calm": CALM,
    "attacked": ATTACKED,
    "whole_troubles": ["", ""],
    "peaks": [50, 100, 105],
    "survived": True,
    "lines": {("strangers", "silent"): 1},
}


def test_all_hold_at_their_bounds() -> None:
    assert [each.holds for each in criteria(**GOOD)] == [True] * 6
    assert [each.holds for each in criteria(**GOOD | {"lines": {}})] == [True] * 6


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (0, {"attacked": Honest(1200, 1198, 20.0, 1010.0, 1500.0, {"unreachable": 2})}),
        (1, {"attacked": Honest(1200, 1199, 20.0, 1010.1, 1500.0, {"unreachable": 1})}),
        (2, {"whole_troubles": ["", "no RECEIPT"]}),
        (2, {"whole_troubles": []}),
        (3, {"survived": False}),
        (4, {"peaks": [105, 100, 106]}),
        (5, {"lines": {("strangers", "silent"): 1, ("strangers", "left"): 2}}),
    ],
)
def test_each_fails_beyond_its_bound(number: int, change: dict[str, Any]) -> None:
    expected = [True] * 6
    expected[number] = False
    assert [each.holds for each in criteria(**GOOD | change)] == expected


def test_nobody_who_succeeds_is_no_short_time() -> None:
    nobody = Honest.of([], ["unreachable"] * 3)
    assert math.isnan(nobody.p99_ms)
    found = criteria(**GOOD | {"attacked": nobody})
    assert [each.holds for each in found][:2] == [False, False]


def test_of_the_honest() -> None:
    seconds = [each / 1000 for each in range(100, 0, -1)]
    found = Honest.of(seconds, ["unreachable", "no RECEIPT", "unreachable"])
    troubles = {"unreachable": 2, "no RECEIPT": 1}
    assert found == Honest(103, 100, 50.0, 99.0, 100.0, troubles)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.5, 7.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([3.0, 1.0], 1.0, 3.0),
        ([2.0, 1.0], 0.0, 1.0),
    ],
)
def test_percentiles(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def line(event: str, time: float, **more: str) -> dict[str, Any]:
    return {"event": event, "time": time, **more}


def test_lines_of_one_kind_are_counted_in_any_ten_seconds() -> None:
    ends = [line("strangers", time, outcome="silent") for time in (0.0, 9.95, 15.0, 19.9, 30.0)]
    assert most_lines(ends) == {("strangers", "silent"): 2}


def test_kinds_are_told_apart_and_honest_lines_left_out() -> None:
    lines = [
        line("relay up", 0.0),
        *[line("request ended", each, outcome="done", agent="a") for each in (1.0, 1.1, 1.2)],
        *[line("link up", each, agent="a") for each in (0.5, 0.6)],
        line("link ended", 0.7, outcome="refused", agent=""),
        line("validator ended", 1.0, outcome="silent"),
        line("validator ended", 1.0, outcome="left"),
        {"event": "no JSON"},
    ]
    assert most_lines(lines) == {
        ("link ended", "refused"): 1,
        ("no JSON", ""): 1,
        ("validator ended", "left"): 1,
        ("validator ended", "silent"): 1,
    }


def test_a_line_that_stands_for_many_is_of_their_kind() -> None:
    lines = [
        line("validator ended", 1.0, outcome="silent"),
        {**line("repeated", 11.0, what="validator ended", outcome="silent"), "count": 4711},
        {**line("repeated", 19.9, what="validator ended", outcome="silent"), "count": 2},
    ]
    assert most_lines(lines) == {("validator ended", "silent"): 2}
    assert ends_counted(lines) == {("validator ended", "silent"): 4714}
