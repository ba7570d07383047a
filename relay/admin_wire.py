"""pure. What the command line asks of the running relay, and what it answers.

How lines look is in daemons.lines.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from daemons.lines import Done, Refused, ShortId, decode_line
from daemons.troubles import Trouble
from protocol.limits import KEY_LENGTH
from relay.outcomes import RequestOutcome


class ShowStatus(Struct, frozen=True, forbid_unknown_fields=True, tag="status"):
    """Answered by Status, a Listening for each listener, an AgentLine for each link, the
    Penalties, and the log's last Troubles."""


class Why(Struct, frozen=True, forbid_unknown_fields=True, tag="why"):
    """Answered by each Waiting and each Ended request of that sign-on, or by Unknown."""

    sign_on_id: ShortId


class Drain(Struct, frozen=True, forbid_unknown_fields=True, tag="drain"):
    """Answered by Draining; then the connection stays until the relay is gone."""


class Reload(Struct, frozen=True, forbid_unknown_fields=True, tag="reload"):
    """Read the configuration and its files again, as SIGHUP does.

    Answered when the relay goes by it, or by Refused with what is wrong: then all is as it was.
    """


class Probe(Struct, frozen=True, forbid_unknown_fields=True, tag="probe"):
    """Let an agent with this link key (32 bytes) attach for as long as the connection stays.

    Answered by a Listening for each listener, then by Go.
    """

    key: Annotated[bytes, Meta(min_length=KEY_LENGTH, max_length=KEY_LENGTH)]


Request = ShowStatus | Why | Drain | Reload | Probe


class Status(Struct, frozen=True, tag="status"):
    """The relay as it stands. `began` in Unix seconds, outcomes counted since then.

    `sources` and `networks` under penalty have their newcomers refused; in a `crowd`, so has
    everybody who owes anything. `lowered` are limits that gave way to that of open files.
    `refused` is why the last new configuration was not taken, empty if it was.
    """

    version: str
    began: float
    draining: bool
    waiting: int
    running: int
    held: int
    incomplete: int
    links: int
    setting_up: int
    requests_ended: dict[str, int]
    validators_ended: dict[str, int]
    links_ended: dict[str, int]
    no_descriptor: int
    sources: int
    networks: int
    crowd: bool
    keys: int
    lowered: dict[str, int]
    refused: str = ""


class Listening(Struct, frozen=True, tag="listening"):
    """A listener. `who` is agents or validators; `by_proxy` if only proxies may connect."""

    who: str
    address: str
    by_proxy: bool


class AgentLine(Struct, frozen=True, tag="agent"):
    """An agent's link. `since` in Unix seconds."""

    agent: str
    source: str
    since: float
    waiting: int
    running: int


class Penalty(Struct, frozen=True, tag="penalty"):
    """A network with so many sources under penalty."""

    network: str
    sources: int


class Waiting(Struct, frozen=True, tag="waiting"):
    """A request that has not ended. Times in seconds; `ran` is -1 as long as no validator came."""

    sign_on_id: str
    agent: str
    waited: float
    ran: float
    rejects: int


class Ended(Struct, frozen=True, tag="ended"):
    """A request that ended at `at`, in Unix seconds. The rest is as in the log."""

    sign_on_id: str
    outcome: RequestOutcome
    at: float
    agent: str
    source: str
    waited: float
    ran: float
    frames_in: int
    frames_out: int
    rejects: int


class Unknown(Struct, frozen=True, tag="unknown"):
    """Nothing is known of that id. `since` is when the relay started; it knows `remembered` ended
    requests, and has `forgotten` so many."""

    since: float
    remembered: int
    forgotten: int


class Draining(Struct, frozen=True, tag="draining"):
    """No request is taken any more; `running` transactions have `seconds` left."""

    running: int
    seconds: float


class Go(Struct, frozen=True, tag="go"):
    """The key is let in. `relay` is the relay's own public link key (32 bytes)."""

    relay: bytes


Reply = (
    Status
    | Listening
    | AgentLine
    | Penalty
    | Waiting
    | Ended
    | Unknown
    | Draining
    | Go
    | Trouble
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
