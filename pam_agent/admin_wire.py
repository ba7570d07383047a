"""pure. The lines between the command line and the daemon, over the admin socket.

One request and then replies, each one line of JSON of at most MAX_LINE bytes with its newline. Done
or Refused is the last line, an enrolment's last event is followed by Done. The caller closing the
connection before that cancels what it asked for.
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from pam_agent.enrolment_events import Compare, Enrolled, Failed, Offered

MAX_LINE: Final = 8 * 1024
"""Bytes of a line: an enrolment code, the longest thing in one, has at most about 1 KiB."""


class AdminWireError(Exception):
    """What came is no line of this wire."""


class ListAccounts(Struct, frozen=True, forbid_unknown_fields=True, tag="accounts"):
    """Answered by a DeviceLine for each device."""


class Revoke(Struct, frozen=True, forbid_unknown_fields=True, tag="revoke"):
    """Remove a device, or all of the account's. Answered by a DeviceLine for each removed one."""

    account: str
    device_id: int | None


class Enroll(Struct, frozen=True, forbid_unknown_fields=True, tag="enroll"):
    """Enrol a new device. Answered by its events."""

    account: str


class ShowLinkKey(Struct, frozen=True, forbid_unknown_fields=True, tag="link-key"):
    """Answered by LinkKey."""


Request = ListAccounts | Revoke | Enroll | ShowLinkKey


class DeviceLine(Struct, frozen=True, tag="device"):
    """A device as people see it: nothing in here is secret. Times in Unix seconds, 0 is never."""

    account: str
    device_id: int
    name: str
    state: str
    failures: int
    created: int
    last_used: int


class LinkKey(Struct, frozen=True, tag="link-key"):
    """The agent's public link key (base64 of 32 bytes) and the host's label."""

    key: str
    host: str


class Done(Struct, frozen=True, tag="done"):
    """All has been said."""


class Refused(Struct, frozen=True, tag="refused"):
    """Nothing was done, or not all of it; `reason` is for the operator."""

    reason: str


Reply = DeviceLine | LinkKey | Offered | Compare | Enrolled | Failed | Done | Refused

_T = TypeVar("_T")


def encode_line(message: Request | Reply) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises AdminWireError."""
    return _decode(line, msgspec.json.Decoder(Request))


def decode_reply(line: bytes) -> Reply:
    """Raises AdminWireError."""
    return _decode(line, msgspec.json.Decoder(Reply))


def _decode(line: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    if len(line) > MAX_LINE or not line.endswith(b"\n"):
        raise AdminWireError("line is too long or cut off")
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AdminWireError("line is not understood") from None
