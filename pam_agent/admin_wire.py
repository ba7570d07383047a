"""pure. The lines between the command line and the daemon, over the admin socket.

How lines look is in daemons.lines. An enrolment's last event is followed by Done.
"""

import base64
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from daemons.lines import Done, Refused, ShortId, decode_line
from daemons.troubles import Trouble
from pam_agent.administration_wire import AdministrationReply, AdministrationRequest
from pam_agent.enrolment_events import Compare, Enrolled, Failed, Offered
from pam_agent.records import Device
from pam_agent.sign_ons import Story
from pam_agent.wire_values import Account, DeviceId
from protocol.limits import KEY_LENGTH


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

    sign_on_id: ShortId


Request = ListAccounts | Revoke | Enroll | ShowLinkKey | ShowStatus | Why | AdministrationRequest


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
    store could not be looked into, `refused` why the last new configuration was not taken,
    `break_glass` how many are open.
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
    sealed: bool = False
    break_glass: int = 0


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


Reply = (
    DeviceLine
    | LinkKey
    | Status
    | RelayStatus
    | Trouble
    | Story
    | Unknown
    | AdministrationReply
    | Offered
    | Compare
    | Enrolled
    | Failed
    | Done
    | Refused
)

_REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_REPLIES: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)


def decode_request(line: bytes) -> Request:
    """Raises AdminWireError."""
    return decode_line(line, _REQUESTS)


def decode_reply(line: bytes) -> Reply:
    """Raises AdminWireError."""
    return decode_line(line, _REPLIES)
