"""pure. Lines between a command line and its daemon, over an admin socket.

One request and then replies, each one line of JSON of at most MAX_LINE bytes with its newline. Done
or Refused is the last line. The caller closing the connection before that cancels what it asked
for. What else is said is each program's own.
"""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

MAX_LINE: Final = 8 * 1024
"""Bytes of a line: an enrolment code, the longest thing in one, has at most about 1 KiB."""

SHORT_ID: Final = r"^[a-z2-7]{13}\Z"
"""A sign-on id as people see it (protocol.sign_on_id.display)."""

ShortId = Annotated[str, Meta(pattern=SHORT_ID)]

_T = TypeVar("_T")


class AdminWireError(Exception):
    """What came is no line of this wire."""


class Done(Struct, frozen=True, tag="done"):
    """All has been said."""


class Refused(Struct, frozen=True, tag="refused"):
    """Nothing was done, or not all of it; `reason` is for the operator."""

    reason: str


def encode_line(message: Struct) -> bytes:
    """ValueError for a message that does not fit."""
    line = msgspec.json.encode(message) + b"\n"
    if len(line) > MAX_LINE:
        raise ValueError("message is too long for a line")
    return line


def decode_line(line: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Raises AdminWireError."""
    if len(line) > MAX_LINE or not line.endswith(b"\n"):
        raise AdminWireError("line is too long or cut off")
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AdminWireError("line is not understood") from None
