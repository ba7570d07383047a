"""pure. Data and AuthValidate as a relay reads and writes them: most of what it handles, by far.

messages.py declares both. Here the same bytes are read and written without a struct in between,
which costs a fifth: what is read is canonical, or it is not read at all.
"""

from typing import Final

from protocol.errors import ProtocolError
from protocol.limits import MAX_FRAME, TAG_LENGTH

_DATA: Final = b"\x93\x08"
"""An array of three, and Data's number."""

_AUTH_VALIDATE: Final = b"\x92\x0e\xc4\x10"
"""An array of two, AuthValidate's number, and a byte string of TAG_LENGTH: it has one form."""

_SMALL: Final = 0x80
_LONG: Final = 0x100
_LONGER: Final = 0x10000
"""Below the first a number is one byte, which is itself; from each on it needs another form."""
_UINT_8: Final = 0xCC
_UINT_16: Final = 0xCD
_UINT_32: Final = 0xCE
_UINTS: Final = {_UINT_8: (1, _SMALL), _UINT_16: (2, _LONG), _UINT_32: (4, _LONGER)}
"""By the first byte, how many more a number has, and what it is at least."""
_BIN_8: Final = 0xC4
_BIN_16: Final = 0xC5
"""A byte string, with one or two bytes of length."""


def data_head(request: int) -> bytes:
    """How every Data message of this request begins."""
    if request < _SMALL:
        return _DATA + request.to_bytes(1, "big")
    first = _UINT_8 if request < _LONG else _UINT_16 if request < _LONGER else _UINT_32
    return _DATA + first.to_bytes(1, "big") + request.to_bytes(_UINTS[first][0], "big")


def data_frame(head: bytes, frame: bytes) -> bytes:
    """A Data message with its length before it, as a link carries it."""
    length = len(frame)
    if length < _LONG:
        size = len(head) + 2 + length
        return b"".join((size.to_bytes(2, "big"), head, b"\xc4", length.to_bytes(1, "big"), frame))
    size = len(head) + 3 + length
    return b"".join((size.to_bytes(2, "big"), head, b"\xc5", length.to_bytes(2, "big"), frame))


def read_data(body: bytes) -> tuple[int, bytes] | None:
    """The request's number and the frame, if this is the body of a good Data message."""
    if len(body) < len(_DATA) + 3 or body[0] != _DATA[0] or body[1] != _DATA[1]:
        return None
    request, at = body[2], 3
    if request >= _SMALL:
        form = _UINTS.get(request)
        if form is None:
            return None
        size, least = form
        at = 3 + size
        if at + 2 > len(body):
            return None
        request = 0
        for place in range(3, at):
            request = request << 8 | body[place]
        if request < least:
            return None
    length, start = body[at + 1], at + 2
    if body[at] == _BIN_16 and start < len(body):
        length, start = length << 8 | body[start], start + 1
        if length < _LONG:
            return None
    elif body[at] != _BIN_8:
        return None
    if not 1 <= length <= MAX_FRAME or start + length != len(body):
        return None
    return request, body[start:]


def read_tag(body: bytes) -> bytes:
    """The tag in the body of AuthValidate. Raises ProtocolError."""
    if len(body) != len(_AUTH_VALIDATE) + TAG_LENGTH or not body.startswith(_AUTH_VALIDATE):
        raise ProtocolError("not a message that may come here")
    return body[len(_AUTH_VALIDATE) :]
