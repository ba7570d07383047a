"""pure. Data and AuthValidate as a relay reads and writes them: most of what it handles, by far.

messages.py declares both. Here the same bytes are read and written without a struct in between:
what is read is canonical, or it is not read at all.

A frame has its length before it on a validator's connection, and behind the head of a Data message
too: there the last two bytes of msgpack's form are the same ones. So a frame is taken and given
here as it is on the wire, `framed`: its two bytes of length, then itself.
"""

from typing import Final

from protocol.errors import ProtocolError
from protocol.limits import LENGTH_PREFIX, MAX_FRAME, TAG_LENGTH
from protocol.numbers import encode_number, read_number

DATA: Final = 8
"""Its number, which is the second byte of every Data message."""

_DATA: Final = b"\x93\x08"
"""An array of three, and Data's number."""

_AUTH_VALIDATE: Final = b"\x92\x0e\xc4\x10"
"""An array of two, AuthValidate's number, and a byte string of TAG_LENGTH: it has one form."""

_BIN_8: Final = 0xC4
_BIN_16: Final = 0xC5
"""A byte string, with one or two bytes of length."""
_LONG: Final = 0x100
"""From here on it has two."""


def data_head(request: int) -> bytes:
    """How every Data message of this request begins."""
    return _DATA + encode_number(request)


def data_message(head: bytes, framed: bytes) -> bytes:
    """A Data message with its length before it, as a link carries it."""
    if len(framed) < LENGTH_PREFIX + _LONG:
        size = len(head) + len(framed)
        return b"%b%b\xc4%b" % (size.to_bytes(LENGTH_PREFIX, "big"), head, framed[1:])
    size = len(head) + 1 + len(framed)
    return b"%b%b\xc5%b" % (size.to_bytes(LENGTH_PREFIX, "big"), head, framed)


def read_data(body: bytes) -> tuple[int, bytes]:
    """The request's number and the frame, framed. Raises ProtocolError for what is no Data."""
    if not body.startswith(_DATA):
        raise ProtocolError("not a Data message")
    try:
        request, at = read_number(body, len(_DATA))
        form, length, start = body[at], body[at + 1], at + 2
        if form == _BIN_16:
            length, start = length << 8 | body[start], start + 1
    except IndexError:
        raise ProtocolError("a Data message ends too early") from None
    if not 1 <= length <= MAX_FRAME or start + length != len(body):
        raise ProtocolError("a frame of another length")
    if form == _BIN_8:
        return request, b"\0" + body[at + 1 :]
    if form == _BIN_16 and length >= _LONG:
        return request, body[at + 1 :]
    raise ProtocolError("a frame in another form")


def read_tag(body: bytes) -> bytes:
    """The tag in the body of AuthValidate. Raises ProtocolError."""
    if len(body) != len(_AUTH_VALIDATE) + TAG_LENGTH or not body.startswith(_AUTH_VALIDATE):
        raise ProtocolError("not a message that may come here")
    return body[len(_AUTH_VALIDATE) :]
