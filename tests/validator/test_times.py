from datetime import UTC, timedelta, timezone

import pytest

from validator.times import age, moment


def test_a_moment_has_its_zone():
    assert moment(0, UTC) == "1970-01-01 00:00:00 UTC"
    assert moment(0, timezone(timedelta(hours=2), "CEST")) == "1970-01-01 02:00:00 CEST"


def test_the_devices_own_zone():
    assert moment(86_400, None).startswith("1970-01-0")


@pytest.mark.parametrize("seconds", [2**64 - 1, 2**45])
def test_what_is_no_date_is_said_to_be_none(seconds: int):
    assert moment(seconds, UTC) == "(not a date)"


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (-1, "in the future"),
        (0, "just now"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (7_200, "2 hours ago"),
        (86_400, "1 day ago"),
        (864_000, "10 days ago"),
    ],
)
def test_ages(ago: int, text: str):
    assert age(1_000_000 - ago, 1_000_000.5) == text
