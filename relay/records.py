"""pure. What the broker reports of every end: the canonical log line's content, before any log."""

from typing import NamedTuple

from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome


class RequestEnded(NamedTuple):
    """A request ended, with its transaction if it had one (`source` is empty if not).

    A source is a network (/24, /48), here and below: nobody's address gets any further.

    `waited` and `ran` in seconds: before and after pairing. Frames `in` came from the validator.
    """

    outcome: RequestOutcome
    agent: str
    sign_on_id: bytes
    source: str
    waited: float
    ran: float
    frames_in: int
    frames_out: int
    rejects: int


class ValidatorEnded(NamedTuple):
    """A validator's connection ended outside of a transaction. `lasted` in seconds."""

    outcome: ValidatorOutcome
    source: str
    lasted: float


class LinkUp(NamedTuple):
    """An agent's link is attached. `source` is a network, or `uid:N` on a Unix socket."""

    source: str
    agent: str


class LinkEnded(NamedTuple):
    """An agent's link ended; `agent` is empty when it never was attached. `lasted` in seconds."""

    outcome: LinkOutcome
    source: str
    agent: str
    lasted: float
    requests: int


class NoDescriptor(NamedTuple):
    """The process has no descriptor left for another connection. `connections` are open."""

    connections: int


Record = RequestEnded | ValidatorEnded | LinkUp | LinkEnded | NoDescriptor
