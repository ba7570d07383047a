"""pure. The agent's half of a link: requests and their transactions over one lasting connection.

Bytes of the relay come in, events come out; `out` is what is to be sent. A request stays registered
over the loss of a connection and is queued again by the next one. Knows no socket; times are
seconds of one steady clock and are passed in.
"""

import math
from collections.abc import Iterator
from typing import Final

from pam_agent.link_events import (
    Event,
    FrameCame,
    LinkLost,
    Pairing,
    RelayRequest,
    WasClosed,
    WasPaired,
    WasQueued,
    WasRefused,
)
from protocol import messages
from protocol.agent_auth import AgentHandshake
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import (
    LINK_SILENCE,
    MAX_LINK_FRAME,
    MAX_REJECTS,
    MAX_TRANSACTION_FRAMES,
    MAX_UNKNOWN_FRAME,
    PING_INTERVAL,
)
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

_OWN_REASONS: Final = (CloseReason.WITHDRAWN, CloseReason.DONE)
_NUMBERS: Final = 2**32

MAX_UNSENT: Final = 1024 * 1024
"""Bytes of `out` while the relay goes on talking: more than all that an agent says when it queues
its requests again. Each Ping wants a Pong, and a relay that never reads them must not fill us."""


class AgentLink:
    """One link, over all its connections."""

    def __init__(self, shard: int) -> None:
        self.out = bytearray()
        self.up = False
        self._shard: Final = shard
        self._requests: dict[RelayRequest, None] = {}
        self._by_number: dict[int, RelayRequest] = {}
        self._next_number = 0
        self._reader = FrameReader(MAX_UNKNOWN_FRAME)
        self._handshake: AgentHandshake | None = None
        self._draining = False
        self._heard = 0.0
        self._pinged = False

    def __len__(self) -> int:
        """Requests that have not ended, sent or not."""
        return len(self._requests)

    # ---- the connection --------------------------------------------------------------------------

    def connected(self, handshake: AgentHandshake, now: float) -> None:
        """A new connection is there: open it."""
        self._handshake = handshake
        self._reader = FrameReader(MAX_UNKNOWN_FRAME)
        self._heard = now
        self._pinged = self._draining = False
        self.out += encode_preface(self._shard)
        self._send(handshake.hello())

    def received(self, data: bytes, now: float) -> Iterator[tuple[RelayRequest, Event]]:
        """What the relay's bytes mean; to be run to its end.

        Raises ProtocolError, after which the connection is void. What came before it still counts.
        """
        self._heard = now
        self._pinged = False
        self._reader.feed(data)
        while (body := self._reader.next_frame()) is not None:
            message = messages.decode(body, FROM_RELAY)
            if not self.up:
                self._set_up(message, now)
            elif (event := self._on_message(message)) is not None:
                yield event
            if len(self.out) > MAX_UNSENT:
                raise ProtocolError("the relay does not read")

    def disconnected(self) -> list[tuple[RelayRequest, Event]]:
        """The connection is gone; what was on it starts anew on the next."""
        self.up = False
        self.out.clear()
        self._by_number.clear()
        for request in self._requests:
            request.reset()
        return [(request, LinkLost()) for request in self._requests]

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
                self._reader.max_body = MAX_LINK_FRAME
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
                if request is None:
                    return None  # it was withdrawn, and the relay does not know yet
                event = self._on_request(request, message)
                return None if event is None else (request, event)
            case _:
                raise ProtocolError("message after the link's set-up")
        return None

    def _on_request(
        self, request: RelayRequest, message: Queued | Refused | Paired | Data | Close
    ) -> Event | None:
        match message:
            case Queued() if not request.queued:
                request.queued = True
                return WasQueued()
            case Refused(reason=RefusedReason.DRAINING) if not request.queued:
                self._draining = True
                del self._by_number[message.request]
                request.reset()
                return None  # the next connection queues it: a relay that restarts costs nothing
            case Refused() if not request.queued:
                self.forget(request)
                return WasRefused(message.reason)
            case Paired() if request.queued and request.pairing is None:
                return self._paired(request, message)
            case Data() if request.pairing is not None:
                request.pairing.frames += 1
                if request.pairing.frames > MAX_TRANSACTION_FRAMES:
                    raise ProtocolError("more frames than a transaction has")
                return FrameCame(request.pairing, message.frame)
            case Data() if request.pairings:
                return None  # of a validator that was rejected, and the relay did not know yet
            case Close() if message.reason not in _OWN_REASONS:
                self.forget(request)
                return WasClosed(message.reason)
            case _:
                raise ProtocolError("message out of place in a request")

    def _paired(self, request: RelayRequest, message: Paired) -> WasPaired:
        if message.tag_index >= len(request.tags):
            raise ProtocolError("Paired with a tag that the request does not have")
        request.pairings += 1
        if request.pairings > MAX_REJECTS + 1:
            raise ProtocolError("more validators than a request may see")
        request.pairing = Pairing(message.tag_index, message.address)
        return WasPaired(request.pairing)

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
            del self._by_number[request.number]
        request.reset()

    def send_frame(self, request: RelayRequest, pairing: Pairing, frame: bytes) -> None:
        """To the validator, when it is still there."""
        if request.number is not None and request.pairing is pairing:
            self._send(Data(request.number, frame))

    def reject(self, request: RelayRequest, pairing: Pairing) -> None:
        """This validator was no good; the request waits for another one."""
        if request.number is not None and request.pairing is pairing:
            request.pairing = None
            self._send(Reject(request.number))

    def close(self, request: RelayRequest, reason: CloseReason) -> None:
        """The request is over; `reason` is WITHDRAWN or DONE."""
        if request.number is not None:
            self._send(Close(request.number, reason))
        self.forget(request)

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
