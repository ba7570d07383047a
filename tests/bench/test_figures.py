"""Medians, ratios and tables: what is told of the measurements."""

import pytest

from bench.figures import (
    Spread,
    Target,
    Verdict,
    figures_table,
    number,
    range_text,
    spreads,
    table,
    verdicts,
)

ROUNDS = [
    [{"ours": {"cpu_us": 90.0}, "floor": {"cpu_us": 100.0}}],
    [{"ours": {"cpu_us": 300.0}, "floor": {"cpu_us": 200.0}}],
    [{"ours": {"cpu_us": 80.0}, "floor": {"cpu_us": 100.0}}],
]


def test_a_spread_is_the_median_and_the_range() -> None:
    assert Spread.of([3.0, 1.0, 2.00004]) == Spread(2.0, 1.0, 3.0)


def test_each_figure_is_spread_over_the_rounds() -> None:
    assert spreads(ROUNDS) == {
        "ours": {"cpu_us": Spread(90.0, 80.0, 300.0)},
        "floor": {"cpu_us": Spread(100.0, 100.0, 200.0)},
    }


def test_a_round_is_the_median_of_its_turns_and_a_ratio_is_made_within_each() -> None:
    turns = [
        {"ours": {"cpu_us": ours}, "floor": {"cpu_us": floor}}
        for ours, floor in ((10.0, 10.0), (40.0, 20.0), (18.0, 20.0))
    ]
    assert spreads([turns])["ours"]["cpu_us"] == Spread(18.0, 18.0, 18.0)
    (verdict,) = verdicts([turns], [Target("CPU", "ours", "cpu_us", 1.0, "floor", "cpu_us")])
    assert verdict.found == Spread(1.0, 1.0, 1.0)  # and not 18 / 20


def test_a_ratio_is_told_over_the_rounds() -> None:
    target = Target("CPU", "ours", "cpu_us", 1.0, "floor", "cpu_us")
    (verdict,) = verdicts(ROUNDS, [target])
    assert verdict == Verdict("CPU", 1.0, Spread(0.9, 0.8, 1.5))  # not 90 / 100 of the medians
    assert verdict.holds


def test_a_bound_on_a_figure_alone() -> None:
    (verdict,) = verdicts(ROUNDS, [Target("CPU", "ours", "cpu_us", 89.9)])
    assert verdict.found.median == 90.0
    assert not verdict.holds


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.1234, "0.123"), (1.0, "1"), (9.876, "9.88"), (12.34, "12.3"), (1234.5, "1234")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_tables_are_aligned() -> None:
    assert table(["", "a"], [["one", "1"], ["three", "333"]]) == (
        "         a\none      1\nthree  333"
    )


def test_a_line_for_each_contestant() -> None:
    lines = figures_table({"cpu_us": "CPU us"}, spreads(ROUNDS)).splitlines()
    assert [line.split() for line in lines] == [
        ["CPU", "us"],
        ["ours", "90.0", "(80.0-300)"],
        ["floor", "100", "(100-200)"],
    ]
    assert range_text(Spread(1.0, 0.5, 2.0)) == "1 (0.5-2)"
