"""pure. A TOML table held against the Structs that it is to become: every mistake, with its key.

msgspec stops at the first mistake and says what type Python would have liked. An operator wants all
of them, where they are, what was found, what is expected, and what was probably meant.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from daemons.key_types import bare, expected, fits, found, is_table, items_of, values_of
from protocol.text import clean

MAX_MISTAKES: Final = 20
"""As many as fit on a screen; after that it is another program's file."""

_BARE_KEY: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def mistakes(table: Mapping[str, object], kind: type[Struct]) -> list[str]:
    """`key: found what, expected what` for each mistake, at most MAX_MISTAKES; none if it is good.

    `kind` is the Struct of the whole file.
    """
    checked = _Check(kind)
    all_of_them = checked.table(dict(table), kind, "")
    return [each for each, _ in zip(all_of_them, range(MAX_MISTAKES), strict=False)]


class _Check:
    def __init__(self, file: type[Struct]) -> None:
        self._known: Final = dict(_keys(file, ""))

    def table(self, value: object, kind: Any, key: str) -> Iterator[str]:
        """A table with known keys."""
        if not isinstance(value, dict):
            yield f"{key}: found {found(value)}, expected a table"
            return
        fields = {field.encode_name: field for field in msgspec.structs.fields(bare(kind))}
        good = True
        for name in value:
            if name not in fields:
                yield f"{joined(key, name)}: unknown key{self._meant(name, fields)}"
                good = False
        for name, field in fields.items():
            if name not in value:
                if field.required:
                    yield f"{joined(key, name)}: missing, expected {expected(field.type)}"
                    good = False
                continue
            for mistake in self.value(value[name], field.type, joined(key, name)):
                yield mistake
                good = False
        if good:
            yield from _together(value, kind, key)

    def value(self, value: object, kind: Any, key: str) -> Iterator[str]:
        items, values = items_of(kind), values_of(kind)
        if is_table(kind):
            yield from self.table(value, kind, key)
        elif items is not None and isinstance(value, list):
            for number, each in enumerate(value):
                yield from self.value(each, items, f"{key}[{number}]")
        elif values is not None and isinstance(value, dict):
            for name, each in value.items():
                yield from self.value(each, values, joined(key, name))
        elif items is not None or values is not None or not fits(value, kind):
            yield f"{key}: found {found(value)}, expected {expected(kind)}"

    def _meant(self, name: str, fields: Mapping[str, FieldInfo]) -> str:
        """What the writer of an unknown key probably wanted."""
        if near := difflib.get_close_matches(name, fields, 1):
            return f": did you mean `{near[0]}`?"
        if place := self._known.get(name):
            return f": it belongs {place}"
        return f"; known here are {', '.join(fields)}"


def _keys(kind: Any, table: str) -> Iterator[tuple[str, str]]:
    """Every known key's name, and the table where it is."""
    for field in msgspec.structs.fields(bare(kind)):
        name, inner = field.encode_name, field.type
        yield name, f"into {table}" if table else "above the first table"
        items, values = items_of(inner), values_of(inner)
        if items is not None and is_table(items):
            yield from _keys(items, f"[[{name}]]")
        elif values is not None and is_table(values):
            yield from _keys(values, f"[{name}.NAME]")
        elif is_table(inner):
            yield from _keys(inner, f"[{name}]")


def _together(value: object, kind: Any, key: str) -> Iterator[str]:
    """What is wrong with keys that are good one by one."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what = str(error).partition(" - at `$")[0]
        yield f"{key}: {what}" if key else what


def joined(key: str, name: str) -> str:
    """The key `name` in the table `key`, quoted where TOML needs it."""
    text = name if name and set(name) <= _BARE_KEY else f'"{clean(name)}"'
    return f"{key}.{text}" if key else text
