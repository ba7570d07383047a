"""pure. Which key of a terminal was pressed, so that nothing but one key decides.

An arrow key arrives as `ESC [ A`, and a paste as many keys at once: neither may approve.
"""

from enum import Enum
from typing import Final

_ESCAPE: Final = 0x1B
_CSI: Final = ord("[")
_SS3: Final = ord("O")
_PRINTABLE: Final = range(0x20, 0x7F)
_FINAL: Final = range(0x40, 0x7F)
"""Bytes that end a control sequence (ECMA-48, section 5.4)."""


class Special(Enum):
    """Keys that have a meaning of their own here."""

    ENTER = "Enter"
    LEAVE = "Ctrl-C or Ctrl-D"


_SPECIALS: Final = {
    0x0D: Special.ENTER,
    0x0A: Special.ENTER,
    0x03: Special.LEAVE,
    0x04: Special.LEAVE,
}


class _Within(Enum):
    NOTHING = "nothing"
    ESCAPE = "escape"
    CSI = "csi"
    SS3 = "ss3"


class KeyReader:
    """Makes keys of a terminal's bytes, however these are cut."""

    def __init__(self) -> None:
        self._within = _Within.NOTHING

    def feed(self, data: bytes) -> str | Special | None:
        """The one key that `data` holds; None for no key, for several, and for any other key.

        Ctrl-C counts among whatever else: leaving is always safe.
        """
        keys = [key for key in map(self._key, data) if key is not None]
        if Special.LEAVE in keys:
            return Special.LEAVE
        return keys[0] if len(keys) == 1 else None

    def _key(self, byte: int) -> str | Special | None:
        if byte in _SPECIALS:
            self._within = _Within.NOTHING
            return _SPECIALS[byte]
        if byte == _ESCAPE:
            self._within = _Within.ESCAPE
            return None
        if self._within is _Within.NOTHING:
            return chr(byte) if byte in _PRINTABLE else ""
        if self._within is _Within.ESCAPE:
            self._within = {_CSI: _Within.CSI, _SS3: _Within.SS3}.get(byte, _Within.NOTHING)
        elif self._within is _Within.SS3 or byte in _FINAL:
            self._within = _Within.NOTHING
        return None
