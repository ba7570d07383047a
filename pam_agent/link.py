"""pure. The agent's half of a link: requests and their transactions over one lasting connection.

Bytes of the relay come in, events come out; `out` is what is to be sent. A request stays registered
over the loss of a connection and is queued again by the next one. Knows no socket; times are
seconds of one steady clock and are passed in.
"""

import math
from dataclasses import dataclass
from typing import Final

from protocol import messages
from protocol.agent_auth import AgentHandshake
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import LINK_SILENCE, MAX_LINK_FRAME, PING_INTERVAL
from protocol.messages import (
    FROM_RELAY,
    Attached,
    AuthRequest,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)

MAX_OUT: Final = 256 * 1024
"""Unsent bytes: more than all frames of all sign-ons that fit in a relay's quota at once."""

_NUMBERS: Final = 2**32


@dataclass(frozen=True)
class WasQueued:
    """The relay has queued the request; the passcode may be shown."""


@dataclass(frozen=True)
class WasRefused:
    """The relay does not take the request."""

    reason: RefusedReason


@dataclass(frozen=True)
class WasPaired:
    """A validator came with the tag at `tag_index`."""

    tag_index: int
    address: str


@dataclass(frozen=True)
class FrameCame:
    """A frame of the validator."""

    frame: bytes


@dataclass(frozen=True)
class WasClosed:
    """The relay ended the request and its transaction."""

    reason: CloseReason


@dataclass(frozen=True)
class LinkLost:
    """The connection broke: the transaction is over, the request is queued by the next one."""


Event = WasQueued | WasRefused | WasPaired | FrameCame | WasClosed | LinkLost


class RelayRequest:
    """One request at one relay. `expires` by the clock that the link is driven with."""

    __slots__ = ("expires", "number", "paired", "queued", "sign_on_id", "tags")

    def __init__(self, sign_on_id: bytes, tags: tuple[bytes, ...], expires: float) -> None:
        self.sign_on_id: Final = sign_on_id
        self.tags: Final = tags
        self.expires: Final = expires
        self.number: int | None = None
        """Its number on the present connection, None when it is not sent."""
        self.queued = False
        self.paired = False


class AgentLink:
    """One link, over all its connections."""

    def __init__(self, shard: int) -> None:
        self.out = bytearray()
        self.up = False
        self._shard: Final = shard
        self._requests: dict[RelayRequest, None] = {}
        self._by_number: dict[int, RelayRequest] = {}
        self._next_number = 0
        self._reader = FrameReader(MAX_LINK_FRAME)
        self._handshake: AgentHandshake | None = None
        self._draining = False
        self._heard = 0.0
        self._pinged = False

    # ---- the connection --------------------------------------------------------------------------

    def connected(self, handshake: AgentHandshake, now: float) -> None:
        """A new connection is there: open it."""
        self._handshake = handshake
        self._reader = FrameReader(MAX_LINK_FRAME)
        self._heard = now
        self._pinged = self._draining = False
        self.out.clear()
        self.out += encode_preface(self._shard)
        self._send(handshake.hello())

    def received(self, data: bytes, now: float) -> list[tuple[RelayRequest, Event]]:
        """What the relay's bytes mean. Raises ProtocolError, after which the connection is void."""
        self._heard = now
        self._pinged = False
        self._reader.feed(data)
        events: list[tuple[RelayRequest, Event]] = []
        while (body := self._reader.next_frame()) is not None:
            message = messages.decode(body, FROM_RELAY)
            if self.up:
                event = self._on_message(message)
                if event is not None:
                    events.append(event)
            else:
                self._set_up(message, now)
        return events

    def disconnected(self) -> list[tuple[RelayRequest, Event]]:
        """The connection is gone; what was on it starts anew on the next."""
        self.up = False
        self.out.clear()
        self._by_number.clear()
        lost: list[tuple[RelayRequest, Event]] = []
        for request in self._requests:
            request.number = None
            request.queued = request.paired = False
            lost.append((request, LinkLost()))
        return lost

    def tick(self, now: float) -> float:
        """Ping when it is time; the moment to call again. Raises ProtocolError on long silence."""
        if now >= self._heard + LINK_SILENCE:
            raise ProtocolError("the relay is silent")
        if now >= self._heard + PING_INTERVAL and not self._pinged:
            self._pinged = True
            self._send(Ping())
        return self._heard + (LINK_SILENCE if self._pinged else PING_INTERVAL)

    def _set_up(self, message: Message, now: float) -> None:
        if self._handshake is None:
            raise ProtocolError("a relay that speaks first")
        match message:
            case Challenge():
                self._send(self._handshake.challenged(message))
            case Attached():
                self._handshake.attached(message)
                self.up = True
                for request in self._requests:
                    self._queue(request, now)
            case _:
                raise ProtocolError("message out of place in the link's set-up")

    def _on_message(self, message: Message) -> tuple[RelayRequest, Event] | None:
        match message:
            case Ping():
                self._send(Pong())
            case Pong():
                pass
            case Drain():
                self._draining = True
            case Queued() | Refused() | Paired() | Data() | Close():
                request = self._by_number.get(message.request)
                if request is not None:  # else it was withdrawn, and the relay does not know yet
                    return request, self._on_request(request, message)
            case _:
                raise ProtocolError("message after the link's set-up")
        return None

    def _on_request(
        self, request: RelayRequest, message: Queued | Refused | Paired | Data | Close
    ) -> Event:
        match message:
            case Queued() if not request.queued:
                request.queued = True
                return WasQueued()
            case Refused() if not request.queued:
                self.forget(request)
                return WasRefused(message.reason)
            case Paired() if request.queued and not request.paired:
                if message.tag_index >= len(request.tags):
                    raise ProtocolError("Paired with a tag that the request does not have")
                request.paired = True
                return WasPaired(message.tag_index, message.address)
            case Data() if request.paired:
                return FrameCame(message.frame)
            case Close():
                self.forget(request)
                return WasClosed(message.reason)
            case _:
                raise ProtocolError("message out of place in a request")

    # ---- requests --------------------------------------------------------------------------------

    def submit(self, request: RelayRequest, now: float) -> None:
        """Queue it now, or as soon as there is a connection."""
        self._requests[request] = None
        if self.up:
            self._queue(request, now)

    def forget(self, request: RelayRequest) -> None:
        """Nothing more is wanted of it, and nothing is told to the relay."""
        self._requests.pop(request, None)
        if request.number is not None:
            self._by_number.pop(request.number, None)
            request.number = None

    def send_frame(self, request: RelayRequest, frame: bytes) -> None:
        """To the validator, when it is still there."""
        if request.number is not None and request.paired:
            self._send(Data(request.number, frame))

    def reject(self, request: RelayRequest) -> None:
        """This validator was no good; the request waits for another one."""
        if request.number is not None and request.paired:
            request.paired = False
            self._send(Reject(request.number))

    def close(self, request: RelayRequest, reason: CloseReason) -> None:
        """The request is over; `reason` is WITHDRAWN or DONE."""
        number = request.number
        self.forget(request)
        if number is not None:
            self._send(Close(number, reason))

    def _queue(self, request: RelayRequest, now: float) -> None:
        ttl = math.ceil(request.expires - now)
        if ttl < 1 or self._draining:
            return
        while self._next_number in self._by_number:
            self._next_number = (self._next_number + 1) % _NUMBERS
        request.number = self._next_number
        self._next_number = (self._next_number + 1) % _NUMBERS
        self._by_number[request.number] = request
        self._send(AuthRequest(request.number, request.sign_on_id, ttl, request.tags))

    def _send(self, message: Message) -> None:
        self.out += encode_frame(messages.encode(message))
