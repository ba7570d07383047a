"""Read back by the official library, which is not shipped."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as read

from daemons.exposition import Family, Histogram, counter, exposition, gauge


def parsed(*families: Family) -> list[tuple[Any, ...]]:
    found = []
    for each in read(exposition(families).decode()):
        samples = [(sample.name, sample.labels, sample.value) for sample in each.samples]
        found.append((each.name, each.type, each.documentation, samples))
    return found


def test_counters_and_gauges() -> None:
    assert parsed(
        counter("ended_total", "How many.", [({"outcome": "approved"}, 3), ({"outcome": "x"}, 0)]),
        gauge("callers", "Now.", [({}, 0.5)]),
    ) == [
        (
            "ended",
            "counter",
            "How many.",
            [("ended_total", {"outcome": "approved"}, 3.0), ("ended_total", {"outcome": "x"}, 0.0)],
        ),
        ("callers", "gauge", "Now.", [("callers", {}, 0.5)]),
    ]


def test_the_text_itself() -> None:
    family = gauge("up", "a\\b\nc", [({"relay": 'a"b\\c\nd', "n": "1"}, 1.0), ({}, 2.25)])
    assert exposition([family]) == (
        b'# HELP up a\\\\b\\nc\n# TYPE up gauge\nup{relay="a\\"b\\\\c\\nd",n="1"} 1\nup 2.25\n'
    )
    assert exposition([]) == b""


def test_a_histogram() -> None:
    histogram = Histogram((0.5, 1.0))
    for value in (0.25, 0.5, 0.75, 1.5):
        histogram.observe(value)
    assert parsed(histogram.family("wait_seconds", "How long.")) == [
        (
            "wait_seconds",
            "histogram",
            "How long.",
            [
                ("wait_seconds_bucket", {"le": "0.5"}, 2.0),
                ("wait_seconds_bucket", {"le": "1"}, 3.0),
                ("wait_seconds_bucket", {"le": "+Inf"}, 4.0),
                ("wait_seconds_sum", {}, 3.0),
                ("wait_seconds_count", {}, 4.0),
            ],
        )
    ]


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_and_value_comes_back(label: str, value: float) -> None:
    clean = label.encode(errors="replace").decode().replace("\r", "")
    ((_, _, _, [(_, labels, back)]),) = parsed(gauge("x", "y", [({"l": clean}, value)]))
    assert labels == {"l": clean}
    assert back == pytest.approx(value)


def test_infinity_is_only_a_bound() -> None:
    histogram = Histogram(())
    histogram.observe(math.inf)
    assert b'_bucket{le="+Inf"} 1\n' in exposition([histogram.family("x", "y")])
