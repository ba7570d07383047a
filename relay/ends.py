"""pure. The two kinds of connection as the broker sees them, and what stands between them.

An end has bytes to send (`out`) and says how its socket is to go on; it knows no socket. Whoever
owns the socket flushes `out`, then obeys `fate`.
"""

from enum import Enum
from typing import Final

from protocol.agent_auth import RelayHandshake
from protocol.data_messages import data_head
from protocol.frames import FrameReader
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME, MAX_UNKNOWN_FRAME
from relay.admission import Visit
from relay.outbox import Outbox
from relay.outcomes import ValidatorOutcome
from relay.peers import Peer, source_text


class Fate(Enum):
    """What is to become of an end's socket."""

    OPEN = "open"
    CLOSE = "close"
    """Send as much of `out` as the socket takes at once, then close."""
    RESET = "reset"
    """Close at once, with a TCP reset."""


class Arrival(Enum):
    """Whether it is known who has come. Behind a proxy it is so when the header has been read."""

    HEADER = "header"
    LOCAL = "local"
    """The proxy speaks for itself, and has said nothing more yet."""
    REFUSED = "refused"
    KNOWN = "known"


class End:
    """What both kinds of connection have."""

    __slots__ = (
        "arrival",
        "deadline",
        "fate",
        "opened",
        "out",
        "owner",
        "reader",
        "touched",
        "visit",
    )

    def __init__(self, arrival: Arrival, visit: Visit, now: float, deadline: float) -> None:
        self.arrival = arrival
        self.visit = visit
        self.opened: Final = now
        self.deadline = deadline
        self.reader: Final = FrameReader(MAX_UNKNOWN_FRAME)
        self.out: Final = Outbox()
        self.fate = Fate.OPEN
        self.touched = False
        """Whether whoever has its socket is to look at it, and has not yet."""
        self.owner: object = None
        """What that one keeps of it. Nobody else looks at this."""


class LinkState(Enum):
    """How far a link has come."""

    PREFACE = "preface"
    HELLO = "hello"
    ATTACH = "attach"
    UP = "up"
    ENDED = "ended"


class Link(End):
    """An agent's lasting connection."""

    __slots__ = (
        "agent",
        "claimed",
        "handshake",
        "heard",
        "key",
        "of_proxy",
        "peer",
        "requests",
        "state",
    )

    def __init__(self, peer: Peer | int, arrival: Arrival, visit: Visit, now: float) -> None:
        """`peer` is where it comes from, or the uid that the kernel says it has."""
        super().__init__(arrival, visit, now, now)
        self.peer = peer
        self.of_proxy = False
        """Whether the proxy has said that it speaks for itself."""
        self.heard = now
        self.state = LinkState.PREFACE
        self.handshake: RelayHandshake | None = None
        self.claimed = ""
        """The agent whose key its Hello names, not proved yet."""
        self.key = b""
        """That key, 32 bytes; empty where the kernel says who it is, or while it is unknown."""
        self.agent = ""
        """Who it is, once that is proved: for log and quotas."""
        self.requests: dict[int, Request] = {}

    @property
    def source(self) -> str:
        """For the log: a network, or `uid:N`."""
        return source_text(self.peer)

    def attached(self, agent: str) -> None:
        self.agent = agent
        self.handshake = None
        self.state = LinkState.UP
        self.reader.max_body = MAX_LINK_FRAME


class ValidatorState(Enum):
    """How far a validator's connection has come."""

    PREFACE = "preface"
    AUTH_VALIDATE = "auth-validate"
    UNMATCHED = "unmatched"
    PAIRED = "paired"
    HELD = "held"
    """No good; nothing more is read, and the reset comes at `release`."""
    ENDED = "ended"


class Validator(End):
    """A validator's connection: one per sign-on. `release` is the moment of the uniform reset."""

    __slots__ = (
        "answered",
        "blocked_since",
        "outcome",
        "peer",
        "release",
        "state",
        "tag",
        "transaction",
    )

    def __init__(
        self, peer: Peer, arrival: Arrival, visit: Visit, now: float, release: float
    ) -> None:
        super().__init__(arrival, visit, now, release)
        self.peer = peer
        self.release: Final = release
        self.blocked_since: float | None = None
        self.state = ValidatorState.PREFACE
        self.tag = b""
        """What it asked for, empty before."""
        self.transaction: Transaction | None = None
        self.answered = False
        """Whether the agent has answered it: it is no stranger, and has been sent something."""
        self.outcome: ValidatorOutcome | None = ValidatorOutcome.SILENT

    @property
    def reading(self) -> bool:
        """Whether what it sends is wanted now. If not, only its going away is."""
        return self.state in (
            ValidatorState.PREFACE,
            ValidatorState.AUTH_VALIDATE,
            ValidatorState.PAIRED,
        )

    def paired(self, transaction: "Transaction") -> None:
        self.transaction = transaction
        self.state = ValidatorState.PAIRED
        self.reader.max_body = MAX_FRAME


class Request:
    """A waiting request of an agent; `transaction` once a validator came for it."""

    __slots__ = (
        "expires",
        "link",
        "number",
        "queued_at",
        "rejects",
        "sign_on_id",
        "tags",
        "transaction",
    )

    def __init__(
        self,
        link: Link,
        number: int,
        sign_on_id: bytes,
        tags: tuple[bytes, ...],
        now: float,
        expires: float,
    ) -> None:
        self.link: Final = link
        self.number: Final = number
        self.sign_on_id: Final = sign_on_id
        self.tags: Final = tags
        self.queued_at: Final = now
        self.expires: Final = expires
        self.rejects = 0
        self.transaction: Transaction | None = None


class Transaction:
    """A request paired with a validator's connection. `in` is towards the agent, `out` from it."""

    __slots__ = (
        "active",
        "bytes_in",
        "bytes_out",
        "frames_in",
        "frames_out",
        "head",
        "request",
        "started",
        "validator",
    )

    def __init__(self, request: Request, validator: Validator, now: float) -> None:
        self.request: Final = request
        self.validator: Final = validator
        self.head: Final = data_head(request.number)
        """How its Data messages begin."""
        self.started: Final = now
        self.active = now
        self.frames_in = self.bytes_in = 0
        self.frames_out = self.bytes_out = 0
