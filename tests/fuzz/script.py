"""pure. A target's input read as instructions: any bytes are some instructions.

`Script` reads numbers and byte strings until nothing is left; `script` writes them, for seeds.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SHORT = 64
"""Bytes that come one by one at most."""
CUTS = 3


class Script:
    """Behind the end everything is zero or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def number(self) -> int:
        """0 to 255."""
        at = self._at
        self._at = at + 1
        return self._data[at] if at < len(self._data) else 0

    def choose(self, choices: Sequence[T]) -> T:
        return choices[self.number() % len(choices)]

    def chunk(self) -> bytes:
        """A byte string with one byte of length before it."""
        return self.take(self.number())

    def take(self, length: int) -> bytes:
        """At most `length` bytes."""
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._data))


def script(*parts: int | bytes) -> bytes:
    """Numbers and chunks, as `Script` reads them."""
    return b"".join(
        bytes((part,)) if isinstance(part, int) else bytes((len(part),)) + part for part in parts
    )


def lengths(number: int) -> list[int]:
    """How many bytes arrive at a time, by one number of the input; what is left comes at once.

    A fuzzer's time is worth more at many streams than at many cuts of each.
    """
    return [1] * SHORT if number == 1 else [number] * CUTS


def cuts(data: bytes, number: int) -> list[bytes]:
    """`data` as it arrives."""
    pieces = []
    at = 0
    for length in lengths(number):
        pieces.append(data[at : at + length])
        at += length
    return [*pieces, data[at:]]
