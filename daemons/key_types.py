"""pure. The types of a configuration's keys, in the words of TOML and of its reader.

A configuration is a msgspec Struct that holds others: alone, in a list, or by name. The same words
are in what is refused and in the reference, so that both say the same.
"""

import datetime
import enum
import json
import types
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from protocol.text import fit

MAX_SHOWN: Final = 60
"""Bytes of a found value that a message shows."""

_LONG: Final = 10**100
"""From here on a number is not written out: Python refuses to where it has thousands of digits."""

_T = TypeVar("_T")

_BASES: Final[Mapping[object, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def bare(kind: Any) -> Any:
    """`kind` without its bounds, and without None, which TOML does not have."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = [each for each in get_args(kind) if each is not types.NoneType]
        return bare(kind)
    return kind


def metas(kind: Any) -> tuple[Meta, ...]:
    """What is annotated to `kind`, or to what it is when it is not None."""
    if get_origin(kind) is Annotated:
        inner, *found = get_args(kind)
        return (*metas(inner), *(each for each in found if isinstance(each, Meta)))
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(meta for each in get_args(kind) for meta in metas(each))
    return ()


def is_table(kind: Any) -> bool:
    """Whether it is a Struct, which is a table with known keys."""
    return isinstance(bare(kind), type) and issubclass(bare(kind), Struct)


def items_of(kind: Any) -> Any | None:
    """The type of an array's items; None when it is no array."""
    return get_args(bare(kind))[0] if get_origin(bare(kind)) is list else None


def values_of(kind: Any) -> Any | None:
    """The type of the values in a table whose keys are free; None when it is none."""
    return get_args(bare(kind))[1] if get_origin(bare(kind)) is dict else None


def expected(kind: Any) -> str:
    """What a key of this type takes, as a phrase."""
    base = bare(kind)
    if (items := items_of(kind)) is not None:
        return f"an array of {expected(items)}"
    if is_table(kind) or values_of(kind) is not None:
        return "a table"
    choices = choices_of(base)
    if choices:
        return " or ".join(json.dumps(each) for each in choices)
    return _BASES[base] + "".join(_bounds(meta) for meta in metas(kind))


def choices_of(kind: Any) -> tuple[str, ...]:
    """The values of a key that has few; nothing for other keys."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return tuple(str(each.value) for each in kind)
    return get_args(kind) if get_origin(kind) is Literal else ()


def _bounds(meta: Meta) -> str:
    lowest = _first(meta.ge, meta.gt)
    if lowest is not None:
        more = "" if meta.gt is None else "more than "
        if meta.le is not None:
            return f", {more}{lowest:,} to {meta.le:,}"
        return f", {more}{lowest:,}" if more else f", at least {lowest:,}"
    if meta.le is not None:
        return f", at most {meta.le:,}"
    if meta.max_length is not None:
        return f" of {meta.min_length or 0:,} to {meta.max_length:,} characters"
    return "" if meta.min_length is None else f" of at least {meta.min_length:,} characters"


def _first(one: _T | None, other: _T | None) -> _T | None:
    return other if one is None else one


def found(value: object) -> str:
    """A value as a message shows it: as TOML has it, cut. A table or an array is only named.

    No configuration of ours holds a secret: they are in files, which it names.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{fit(value, MAX_SHOWN)}"'
        case dict():
            return "a table"
        case list():
            return "an array"
        case int() if abs(value) >= _LONG:
            return "a number of hundreds of digits"
        case datetime.datetime() | datetime.date() | datetime.time():
            return "a date or time"
        case _:
            return fit(str(value), MAX_SHOWN)


def fits(value: object, kind: Any) -> bool:
    """Whether a value that is neither table nor array is one of this type."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
