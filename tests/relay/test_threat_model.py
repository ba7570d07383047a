"""THREAT-MODEL.md: every limit of the relay stops an attack that is named, by its real default."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from protocol import limits as protocol_limits
from relay import floods
from relay.limits import Limits
from relay.socket_options import SocketOptions

FILE: Final = Path(__file__).parents[2] / "THREAT-MODEL.md"
STRUCTS: Final = (Limits, SocketOptions)


def rows() -> list[tuple[list[str], list[str]]]:
    """Settings and defaults of the table."""
    part = FILE.read_text().partition("## Attacks on the relay\n")[2].partition("\n## ")[0]
    lines = [line.split(" | ") for line in part.splitlines() if line.startswith("| ")]
    assert all(len(line) == 5 for line in lines)
    named = [re.findall(r"`([a-zA-Z_]+)`", line[2]) for line in lines]
    return [(names, line[3].split(", ")) for names, line in zip(named, lines, strict=True)][1:]


def real() -> dict[str, Any]:
    found = {
        field.name: field.default for each in STRUCTS for field in msgspec.structs.fields(each)
    }
    return found | vars(protocol_limits) | {"WINDOW": floods.WINDOW}


def test_every_limit_stops_an_attack() -> None:
    named = {name for names, _ in rows() for name in names}
    assert {name for each in STRUCTS for name in each.__struct_fields__} <= named


def test_every_default_is_the_real_one() -> None:
    values = real()
    for names, defaults in rows():
        if names[0] in values:  # others are no numbers
            assert [float(text) for text in defaults] == [values[name] for name in names], names
