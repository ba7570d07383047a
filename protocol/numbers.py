"""pure. Numbers in the one msgpack form that is canonical (SPEC section 2.3): the shortest.

For those who read and write the commonest messages without a library.
"""

from typing import Final

from protocol.errors import ProtocolError

_SMALL: Final = 0x80
_LONG: Final = 0x100
_LONGER: Final = 0x10000
"""Below the first a number is one byte, which is itself; from each on it needs another form."""
_UINT_8: Final = 0xCC
_UINT_16: Final = 0xCD
_UINT_32: Final = 0xCE
"""What comes before 1, 2 or 4 bytes."""


def encode_number(number: int) -> bytes:
    """Of 0 to 2**32 - 1: 1 to 5 bytes."""
    if number < _SMALL:
        return number.to_bytes(1, "big")
    if number < _LONG:
        return (_UINT_8 << 8 | number).to_bytes(2, "big")
    if number < _LONGER:
        return (_UINT_16 << 16 | number).to_bytes(3, "big")
    return (_UINT_32 << 32 | number).to_bytes(5, "big")


def read_number(body: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where the next thing begins. Raises ProtocolError for
    another form, and IndexError for a body that ends before it does."""
    first = body[at]
    if first < _SMALL:
        return first, at + 1
    if first == _UINT_8:
        number, least, end = body[at + 1], _SMALL, at + 2
    elif first == _UINT_16:
        number, least, end = body[at + 1] << 8 | body[at + 2], _LONG, at + 3
    elif first == _UINT_32:
        upper = body[at + 1] << 8 | body[at + 2]
        number, least, end = upper << 16 | body[at + 3] << 8 | body[at + 4], _LONGER, at + 5
    else:
        raise ProtocolError("not a number in its shortest form")
    if number < least:
        raise ProtocolError("not a number in its shortest form")
    return number, end
