import contextlib
import tomllib
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from daemons.tables import MAX_MISTAKES, joined, mistakes


class Door(Struct, forbid_unknown_fields=True):
    listen: str
    uids: list[Annotated[int, Meta(ge=0)]] | None = None


class Room(Struct, forbid_unknown_fields=True):
    colour: str = "white"


class Times(Struct, frozen=True, forbid_unknown_fields=True):
    short: float = 1.0
    long: float = 2.0

    def __post_init__(self) -> None:
        if self.short > self.long:
            raise ValueError("short must be at most long")


class House(Struct, forbid_unknown_fields=True):
    name: str = "home"
    doors: list[Door] = []
    rooms: dict[str, Room] = {}
    times: Times = Times()
    guests: dict[str, list[str]] = {}
    lit: bool = False


GOOD = """
name = "home"
guests = {ada = ["monday"]}
[[doors]]
listen = "front"
uids = [0, 1]
[rooms.kitchen]
colour = "blue"
[times]
short = 1
long = 1.5
"""


def found(text: str) -> list[str]:
    return mistakes(tomllib.loads(text), House)


def test_what_is_good_has_no_mistakes() -> None:
    assert found(GOOD) == []
    assert found("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nam = 'x'", "nam: unknown key: did you mean `name`?"),
        ("lit = 1", "lit: found 1, expected true or false"),
        ("doors = 'x'", 'doors: found "x", expected an array of a table'),
        ("doors = ['x']", 'doors[0]: found "x", expected a table'),
        ("[[doors]]", "doors[0].listen: missing, expected text"),
        ("[[doors]]\nlisten = 'a'\nuids = [0, -1]", "doors[0].uids[1]: found -1, expected a whole"),
        ("[doors]\nlisten = 'a'", "doors: found a table, expected an array of a table"),
        ("rooms = []", "rooms: found an array, expected a table"),
        ("rooms = {hall = 3}", "rooms.hall: found 3, expected a table"),
        ("[rooms.'a b']\ncolour = 3", 'rooms."a b".colour: found 3, expected text'),
        ("[rooms.hall]\npaint = 3", "rooms.hall.paint: unknown key; known here are colour"),
        ("guests.ada = 'monday'", 'guests.ada: found "monday", expected an array of text'),
        ("[times]\nshort = 3", "times: short must be at most long"),
        ("[times]\nname = 'x'", "times.name: unknown key: it belongs above the first table"),
        ("uids = [1]", "uids: unknown key: it belongs into [[doors]]"),
        ("colour = 'red'", "colour: unknown key: it belongs into [rooms.NAME]"),
        ("short = 1", "short: unknown key: it belongs into [times]"),
        ("'\\u001b' = 1", '"\\\\u001b": unknown key; known here are name, doors, rooms, times'),
        ('"\\u001b" = 1', '"": unknown key; known here are name, doors, rooms, times'),
    ],
)
def test_a_mistake_says_where_what_and_what_instead(text: str, expected: str) -> None:
    (mistake,) = found(text)
    assert mistake.startswith(expected.replace("\\\\", "\\"))


def test_all_mistakes_are_named_but_not_for_ever() -> None:
    text = "lit = 1\nname = 2\n[times]\nshort = 'x'\nlong = 'y'"
    assert [each.partition(":")[0] for each in found(text)] == [
        "name",
        "times.short",
        "times.long",
        "lit",
    ]
    assert len(found("\n".join(f"key{n} = 1" for n in range(2 * MAX_MISTAKES)))) == MAX_MISTAKES


class Whole(Struct):
    low: int = 0

    def __post_init__(self) -> None:
        if self.low < 0:
            raise ValueError("low must not be below zero")


def test_a_mistake_of_the_whole_file_has_no_key() -> None:
    assert mistakes({"low": -1}, Whole) == ["low must not be below zero"]


def test_keys_as_toml_has_them() -> None:
    assert joined("", "a-1_B") == "a-1_B"
    assert joined("a", "") == 'a.""'
    assert joined("a", "b.c") == 'a."b.c"'
    assert joined("a", "é") == 'a."é"'


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "doors", "listen", "uids", "short"]), inner)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["name", "doors", "rooms", "times", "guests", "lit", "other"])


@given(st.dictionaries(KEYS, VALUES))
def test_no_mistakes_is_what_msgspec_takes(table: dict[str, object]) -> None:
    converted = False
    with contextlib.suppress(msgspec.ValidationError):
        msgspec.convert(table, House)
        converted = True
    assert (mistakes(table, House) == []) is converted
