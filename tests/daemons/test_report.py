import time

import pytest

from daemons.report import counted, span, trouble_lines, when
from daemons.troubles import Trouble


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "60 min"), (3600, "1 h"), (2 * 86400, "2 d")],
)
def test_a_span_is_in_the_largest_unit_that_fits(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_a_moment_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert when(0) == "1970-01-01 02:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_counts_are_those_above_0_and_no_stranger_gets_through() -> None:
    assert counted({"approved": 2, "denied": 0, "ex\x1bpired": 1}) == "approved 2, expired 1"
    assert counted({"denied": 0}) == "none"


def test_troubles_have_a_heading_only_when_there_are_any() -> None:
    assert list(trouble_lines(["another reply"])) == []
    assert list(trouble_lines(["another reply", Trouble(0.0, "error", "store\x1b failed")])) == [
        "last warnings and errors",
        f"  {when(0.0)}  store failed",
    ]
