"""pure. Lines of text for a terminal, where a stranger's text cannot leave its place.

A long value is wrapped here, by columns, under itself: if the terminal wrapped it, its rest would
begin where a label begins, and could pose as one.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocol.text import clean

LABEL_COLUMNS: Final = 17
INDENT: Final = 2
LEAST_WIDTH: Final = 40
"""Columns a screen has at least: a narrower one is treated as if it had these."""
MOST_WIDTH: Final = 100
"""Columns used at most: longer lines are hard to read."""


class Tone(Enum):
    """How a line sounds; what that looks like is the terminal's business."""

    PLAIN = "plain"
    HEADING = "heading"
    QUIET = "quiet"
    GOOD = "good"
    WARNING = "warning"


@dataclass(frozen=True)
class Line:
    """One line for a person."""

    text: str = ""
    tone: Tone = Tone.PLAIN


def usable_width(columns: int) -> int:
    """Columns to write in, of a terminal with `columns`: the last stays free."""
    return min(max(columns, LEAST_WIDTH), MOST_WIDTH) - 1


def text_columns(text: str) -> int:
    """How many columns a terminal uses for `text`."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def wrap(text: str, columns: int) -> Iterator[str]:
    """`text` cleaned and cut into pieces of at most `columns`, at spaces where it has any."""
    piece, width, last_space = "", 0, 0
    for character in clean(text):
        if width + _columns(character) > columns:
            cut = last_space or len(piece)
            yield piece[:cut]
            piece = piece[cut:]
            width, last_space = text_columns(piece), 0
        piece += character
        width += _columns(character)
        if character == " ":
            last_space = len(piece)
    yield piece


def field(label: str, value: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """`label` and, beside it, `value`; an empty value is said to be so."""
    room = width - INDENT - LABEL_COLUMNS
    if not clean(value).strip():
        value, tone = "(not stated)", Tone.QUIET
    labels = [label.ljust(LABEL_COLUMNS)]
    return [
        Line(" " * INDENT + (labels.pop() if labels else " " * LABEL_COLUMNS) + piece, tone)
        for piece in wrap(value, room)
    ]


def paragraph(text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """Running text, wrapped."""
    return [Line(piece.rstrip(), tone) for piece in wrap(text, width)]
