"""pure. What the broker reports of every end. A record is its log line: each field is one of that.

Wall-clock time is no business of pure code, so whoever logs a record fills `time` in.
"""

import msgspec

from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome


class _Record(msgspec.Struct, kw_only=True, gc=False, tag_field="event"):
    """`time` is in Unix seconds, 0.0 until it is logged. No record can be in a reference cycle."""

    level: str = "info"
    time: float = 0.0


class RequestEnded(_Record, tag="request ended"):
    """A request ended, with its transaction if it had one (`source` is empty if not).

    A source is a network (/24, /48), here and below: nobody's address gets any further.

    `waited` and `ran` in seconds: before and after pairing. Frames `in` came from the validator.
    """

    outcome: RequestOutcome
    agent: str
    sign_on_id: str
    """As people see it."""
    source: str
    waited: float
    ran: float
    frames_in: int
    frames_out: int
    rejects: int


class ValidatorEnded(_Record, tag="validator ended"):
    """A validator's connection ended outside of a transaction. `lasted` in seconds."""

    outcome: ValidatorOutcome
    source: str
    lasted: float


class LinkUp(_Record, tag="link up"):
    """An agent's link is attached. `source` is a network, or `uid:N` on a Unix socket."""

    source: str
    agent: str


class LinkEnded(_Record, tag="link ended"):
    """An agent's link ended; `agent` is empty when it never was attached. `lasted` in seconds."""

    outcome: LinkOutcome
    source: str
    agent: str
    lasted: float
    requests: int


class NoDescriptor(_Record, kw_only=True, tag="no descriptor left"):
    """The process has no descriptor left for another connection. `connections` are open."""

    connections: int
    advice: str = "raise the limit of open files (LimitNOFILE=), or lower [limits]"
    level: str = "warning"


class Repeated(_Record, tag="repeated"):
    """More of what was told already: `count` further ends of strangers within `lasted` seconds.

    They came from so many `networks` (256: at least), of which `source` is one.
    """

    what: str
    """The event that each of them would have been."""
    outcome: str
    """Theirs, empty if such an event has none."""
    count: int
    networks: int
    source: str
    lasted: float


Record = RequestEnded | ValidatorEnded | LinkUp | LinkEnded | NoDescriptor | Repeated
