"""pure. What every request has, as a relay reads and writes it: AuthRequest, Queued, Paired, Close.

messages.py declares them. Here the same bytes are read and written without a struct in between, as
data_messages.py does it: what is read is canonical, or it is not read at all.
"""

from typing import Final

from protocol.errors import ProtocolError
from protocol.frames import encode_frame
from protocol.limits import MAX_TAGS, SIGN_ON_ID_LENGTH, TAG_LENGTH
from protocol.messages import CloseReason
from protocol.numbers import encode_number, read_number

AUTH_REQUEST: Final = 4
CLOSE: Final = 10
"""Their numbers, which are the second byte of every such message."""

_AUTH_REQUEST: Final = b"\x95\x04"
_QUEUED: Final = b"\x92\x05"
_PAIRED: Final = b"\x94\x07"
_CLOSE: Final = b"\x93\x0a"
"""An array of so many, and the message's number."""

_BIN_8: Final = 0xC4
"""A byte string, with one byte of length."""
_ARRAY: Final = 0x90
"""Of as many as are added to it, below 16."""
_LONG_TEXT: Final = 0x20
"""From here on a text has a byte of length; below, the length is in its first byte."""
_MAX_TTL: Final = 0xFFFF
_REASONS: Final = tuple(CloseReason)
"""From 1 on, in order."""

AuthRequestFields = tuple[int, bytes, int, tuple[bytes, ...]]
"""The request's number, the sign-on id, the life in seconds, the tags."""


def read_auth_request(body: bytes) -> AuthRequestFields:
    """Raises ProtocolError for what is no AuthRequest."""
    if not body.startswith(_AUTH_REQUEST):
        raise ProtocolError("not an AuthRequest")
    try:
        request, at = read_number(body, len(_AUTH_REQUEST))
        sign_on_id, at = _bytes(body, at, SIGN_ON_ID_LENGTH)
        ttl, at = read_number(body, at)
        count, at = body[at] - _ARRAY, at + 1
        if ttl > _MAX_TTL or not 1 <= count <= MAX_TAGS:
            raise ProtocolError("not an AuthRequest")
        tags: list[bytes] = []
        for _ in range(count):
            tag, at = _bytes(body, at, TAG_LENGTH)
            if tag in tags:
                raise ProtocolError("a tag occurs twice in one request")
            tags.append(tag)
    except IndexError:
        raise ProtocolError("an AuthRequest ends too early") from None
    if at != len(body):
        raise ProtocolError("an AuthRequest of another length")
    return request, sign_on_id, ttl, tuple(tags)


def read_close(body: bytes) -> tuple[int, CloseReason]:
    """The request's number and the reason. Raises ProtocolError for what is no Close."""
    if not body.startswith(_CLOSE):
        raise ProtocolError("not a Close")
    try:
        request, at = read_number(body, len(_CLOSE))
        reason = body[at]
    except IndexError:
        raise ProtocolError("a Close ends too early") from None
    if at + 1 != len(body) or not 1 <= reason <= len(_REASONS):
        raise ProtocolError("not a Close")
    return request, _REASONS[reason - 1]


def queued(request: int) -> bytes:
    """Queued with its length before it, as a link carries it."""
    return encode_frame(_QUEUED + encode_number(request))


def paired(request: int, tag_index: int, address: str) -> bytes:
    """Paired, likewise. `tag_index` is below MAX_TAGS."""
    text = address.encode()
    length = len(text)
    head = (
        (0xA0 | length).to_bytes(1, "big")
        if length < _LONG_TEXT
        else b"\xd9" + length.to_bytes(1, "big")
    )
    index = tag_index.to_bytes(1, "big")
    return encode_frame(b"%b%b%b%b%b" % (_PAIRED, encode_number(request), index, head, text))


def _bytes(body: bytes, at: int, length: int) -> tuple[bytes, int]:
    """The byte string of `length` that begins at `at`, and where the next thing begins. Raises
    ProtocolError, and IndexError for a body that ends before it does."""
    start = at + 2
    end = start + length
    if body[at] != _BIN_8 or body[at + 1] != length or end > len(body):
        raise ProtocolError("not a byte string of this length")
    return body[start:end], end
