from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from daemons.key_types import (
    MAX_SHOWN,
    bare,
    choices_of,
    expected,
    fits,
    found,
    is_table,
    items_of,
    metas,
    values_of,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Struct):
    size: int


@pytest.mark.parametrize(
    ("kind", "phrase"),
    [
        (str, "text"),
        (bool, "true or false"),
        (int, "a whole number"),
        (float | None, "a number"),
        (Annotated[int, Meta(ge=1, le=10_000)], "a whole number, 1 to 10,000"),
        (Annotated[float, Meta(gt=0, le=30)], "a number, more than 0 to 30"),
        (Annotated[float, Meta(ge=0.1)], "a number, at least 0.1"),
        (Annotated[float, Meta(gt=0)], "a number, more than 0"),
        (Annotated[int, Meta(le=3)] | None, "a whole number, at most 3"),
        (Annotated[str, Meta(min_length=1)], "text of at least 1 characters"),
        (Annotated[str, Meta(min_length=1, max_length=9)], "text of 1 to 9 characters"),
        (Annotated[str, Meta(max_length=9)], "text of 0 to 9 characters"),
        (Annotated[Annotated[int, Meta(ge=1)], Meta(examples=[2])], "a whole number, at least 1"),
        (Annotated[int, "a remark"], "a whole number"),
        (Colour, '"red" or "blue"'),
        (Literal["json", "console"] | None, '"json" or "console"'),
        (list[int], "an array of a whole number"),
        (list[Inner] | None, "an array of a table"),
        (dict[str, int], "a table"),
        (Inner, "a table"),
    ],
)
def test_types_in_words(kind: Any, phrase: str) -> None:
    assert expected(kind) == phrase


def test_what_kind_of_table_it_is() -> None:
    assert is_table(Annotated[Inner | None, Meta(title="x")])
    assert not is_table(dict[str, Inner])
    assert not is_table(str)
    assert items_of(list[Inner] | None) is Inner
    assert items_of(Inner) is None
    assert values_of(dict[str, Inner]) is Inner
    assert values_of(list[Inner]) is None
    assert bare(Annotated[int | None, Meta(ge=1)]) is int
    assert [meta.ge for meta in metas(Annotated[int, Meta(ge=1)] | None)] == [1]
    assert choices_of(int) == ()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.5, "0.5"),
        ("text", '"text"'),
        ("a\x1bb", '"ab"'),
        ({"a": 1}, "a table"),
        ([1], "an array"),
        (date(2026, 1, 1), "a date or time"),
        (datetime(2026, 1, 1, 1, 1), "a date or time"),
        (time(1, 1), "a date or time"),
    ],
)
def test_values_as_a_message_shows_them(value: object, shown: str) -> None:
    assert found(value) == shown


def test_no_value_is_shown_at_length() -> None:
    assert len(found("x" * 1000).encode()) <= MAX_SHOWN + 2
    assert found(10**1000) == found(-(16**5000)) == "a number of hundreds of digits"
    assert found(10**50) == "1" + 50 * "0"


def test_whether_a_value_is_of_a_type() -> None:
    assert fits(3, float)
    assert not fits(True, int)
    assert not fits("red", int)
    assert fits("red", Colour)
    assert not fits("green", Colour)
    assert not fits(float("nan"), Annotated[float, Meta(ge=0.1, le=30)])
