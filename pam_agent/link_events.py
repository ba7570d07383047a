"""pure. A request at one relay, and what can happen to it there.

A request stays over the loss of a connection; its number, its place in the queue and its pairing
are those of the present connection.
"""

from dataclasses import dataclass
from typing import Final

from protocol.messages import CloseReason, RefusedReason


class Pairing:
    """One validator's time with a request; what is meant for it reaches no other.

    `tag_index` is the tag that the validator brought, `address` is its own as the relay saw it.
    """

    __slots__ = ("address", "frames", "tag_index")

    def __init__(self, tag_index: int, address: str) -> None:
        self.tag_index: Final = tag_index
        self.address: Final = address
        self.frames = 0
        """How many came from the validator."""


class RelayRequest:
    """One request at one relay. `expires` by the clock that the link is driven with."""

    __slots__ = ("expires", "number", "pairing", "pairings", "queued", "sign_on_id", "tags")

    def __init__(self, sign_on_id: bytes, tags: tuple[bytes, ...], expires: float) -> None:
        self.sign_on_id: Final = sign_on_id
        self.tags: Final = tags
        self.expires: Final = expires
        self.number: int | None = None
        """Its number on the present connection, None when it is not sent."""
        self.queued = False
        self.pairing: Pairing | None = None
        self.pairings = 0
        """How many validators the relay has brought on the present connection."""

    def reset(self) -> None:
        """Nothing of the present connection holds any longer."""
        self.number = None
        self.queued = False
        self.pairing = None
        self.pairings = 0


@dataclass(frozen=True)
class WasQueued:
    """The relay has queued the request; the passcode may be shown."""


@dataclass(frozen=True)
class WasRefused:
    """The relay does not take the request; this is its last event."""

    reason: RefusedReason


@dataclass(frozen=True)
class WasPaired:
    """A validator came."""

    pairing: Pairing


@dataclass(frozen=True)
class FrameCame:
    """A frame of the validator."""

    pairing: Pairing
    frame: bytes


@dataclass(frozen=True)
class WasClosed:
    """The relay ended the request and its transaction; this is its last event."""

    reason: CloseReason


@dataclass(frozen=True)
class LinkLost:
    """The connection broke: the transaction is over, the request is queued by the next one."""


Event = WasQueued | WasRefused | WasPaired | FrameCame | WasClosed | LinkLost
