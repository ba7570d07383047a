"""pure. The lines between the command line and the daemon, over the admin socket.

One request and then replies, each one line of JSON of at most MAX_LINE bytes with its newline. Done
or Refused is the last line, an enrolment's last event is followed by Done. The caller closing the
connection before that cancels what it asked for.
"""

import base64
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from pam_agent.enrolment_events import Compare, Enrolled, Failed, Offered
from pam_agent.records import Device
from pam_agent.sign_ons import Story
from pam_agent.troubles import Trouble
from protocol.limits import KEY_LENGTH

MAX_LINE: Final = 8 * 1024
"""Bytes of a line: an enrolment code, the longest thing in one, has at most about 1 KiB."""


MAX_ACCOUNT: Final = 256
"""Characters of an account's name: the local wire takes no longer one from PAM."""

SHORT_ID: Final = r"^[a-z2-7]{13}\Z"
"""A sign-on id as people see it (protocol.sign_on_id.display)."""

Account = Annotated[str, Meta(min_length=1, max_length=MAX_ACCOUNT)]
DeviceId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""SQLite's integers end there."""


class AdminWireError(Exception):
    """What came is no line of this wire."""


class ListAccounts(Struct, frozen=True, forbid_unknown_fields=True, tag="accounts"):
    """Answered by a DeviceLine for each device."""


class Revoke(Struct, frozen=True, forbid_unknown_fields=True, tag="revoke"):
    """Remove a device, or all of the account's. Answered by a DeviceLine for each removed one."""

    account: Account
    device_id: DeviceId | None


class Enroll(Struct, frozen=True, forbid_unknown_fields=True, tag="enroll"):
    """Enrol a new device. Answered by its events."""

    account: Account


class ShowLinkKey(Struct, frozen=True, forbid_unknown_fields=True, tag="link-key"):
    """Answered by LinkKey."""


class ShowStatus(Struct, frozen=True, forbid_unknown_fields=True, tag="status"):
    """Answered by Status, a RelayStatus for each relay, and the last Troubles."""


class Why(Struct, frozen=True, forbid_unknown_fields=True, tag="why"):
    """Answered by the Story of a sign-on or an enrolment, or by Unknown."""

    sign_on_id: Annotated[str, Meta(pattern=SHORT_ID)]


Request = ListAccounts | Revoke | Enroll | ShowLinkKey | ShowStatus | Why


class DeviceLine(Struct, frozen=True, tag="device"):
    """A device as people see it: nothing in here is secret. Times in Unix seconds, 0 is never."""

    account: str
    device_id: int
    name: str
    state: str
    failures: int
    created: int
    last_used: int

    @staticmethod
    def of(device: Device) -> "DeviceLine":
        if not device.proved:
            state = "not proved"
        else:
            state = "active" if device.disabled is None else f"disabled: {device.disabled}"
        return DeviceLine(
            device.account,
            device.id,
            device.name,
            state,
            device.failures,
            device.created,
            device.last_used,
        )


class LinkKey(Struct, frozen=True, tag="link-key"):
    """The agent's public link key (32 bytes, in JSON as base64) and the host's label."""

    key: Annotated[bytes, Meta(min_length=KEY_LENGTH, max_length=KEY_LENGTH)]
    host: str

    @property
    def line(self) -> str:
        """As a relay's list of agents has it: `KEY NAME`, the name being one word."""
        name = "-".join(self.host.replace("#", " ").split())
        return f"{base64.b64encode(self.key).decode('ascii')} {name or 'unnamed'}"


class Status(Struct, frozen=True, tag="status"):
    """The agent as it stands. Times in Unix seconds, counts since it started.

    `sign_ons` and `enrolments` count those that ended, by outcome word. `store_trouble` is why the
    store could not be looked into, `refused` why the last new configuration was not taken.
    """

    version: str
    host: str
    began: float
    queueing: int
    waiting: int
    running: int
    callers: int
    sign_ons: dict[str, int]
    enrolments: dict[str, int]
    accounts: int
    devices: dict[str, int]
    store: str
    store_bytes: int
    store_trouble: str
    refused: str


class RelayStatus(Struct, frozen=True, tag="relay"):
    """One relay. `since` in Unix seconds; `trouble` is why it is down, or was the last time."""

    address: str
    up: bool
    since: float
    requests: int
    losses: int
    trouble: str


class Unknown(Struct, frozen=True, tag="unknown"):
    """Nothing is known of that id. `since` is when the agent started, `remembered` how many ended
    ones it knows."""

    since: float
    remembered: int


class Done(Struct, frozen=True, tag="done"):
    """All has been said."""


class Refused(Struct, frozen=True, tag="refused"):
    """Nothing was done, or not all of it; `reason` is for the operator."""

    reason: str


Reply = (
    DeviceLine
    | LinkKey
    | Status
    | RelayStatus
    | Trouble
    | Story
    | Unknown
    | Offered
    | Compare
    | Enrolled
    | Failed
    | Done
    | Refused
)

_T = TypeVar("_T")
_REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_REPLIES: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)


def encode_line(message: Request | Reply) -> bytes:
    """ValueError for a message that does not fit."""
    line = msgspec.json.encode(message) + b"\n"
    if len(line) > MAX_LINE:
        raise ValueError("message is too long for a line")
    return line


def decode_request(line: bytes) -> Request:
    """Raises AdminWireError."""
    return _decode(line, _REQUESTS)


def decode_reply(line: bytes) -> Reply:
    """Raises AdminWireError."""
    return _decode(line, _REPLIES)


def _decode(line: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    if len(line) > MAX_LINE or not line.endswith(b"\n"):
        raise AdminWireError("line is too long or cut off")
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AdminWireError("line is not understood") from None
