"""pure. A hostile relay at the agent's end of a link, in any order with what the agent does."""

import functools
from collections.abc import Callable, Iterator

from pam_agent.link import AgentLink
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
from protocol.agent_auth import AgentHandshake, RelayHandshake, public_bytes
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, encode_frame
from protocol.limits import (
    LINK_SILENCE,
    MAX_LINK_FRAME,
    MAX_REJECTS,
    MAX_TRANSACTION_FRAMES,
    PREFACE_LENGTH,
)
from protocol.messages import (
    FROM_AGENT,
    Attached,
    AuthRequest,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Hello,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from tests.fuzz.script import Script, cuts, script
from tests.fuzz.world import AGENT_KEY, RELAY_KEY, SHARD, SIGN_ON_ID, TAGS, stream

PAUSES = (0.5, 20.0, 59.0, 60.0)
MOST_REQUESTS = 6
LONGEST = 160
SAYINGS = 10
LAST = (WasRefused, WasClosed)


class Play:
    """One link, the requests on it, and what the relay has been told on this connection."""

    def __init__(self, script: Script, at_a_time: int) -> None:
        """`at_a_time` is 0 for all bytes at once."""
        self.script = script
        self.at_a_time = at_a_time
        self.link = AgentLink(SHARD)
        self.now = 1000.0
        self.connected = False
        self.requests: list[RelayRequest] = []
        self.alive: list[RelayRequest] = []
        self.events: list[tuple[int, object]] = []
        self.told: list[Message] = []
        self.numbers: set[int] = set()
        self.pairings: dict[RelayRequest, list[Pairing]] = {}

    def run(self) -> None:
        while self.script.more:
            self.script.choose(STEPS)(self)
            self.listen()
            assert len(self.link) == len(self.alive)
        if self.connected:
            self.lose()

    # ---- the connection --------------------------------------------------------------------------

    def connect(self) -> None:
        by_key = self.script.number() & 1
        if self.connected:
            return
        handshake = (
            AgentHandshake(AGENT_KEY, public_bytes(RELAY_KEY))
            if by_key
            else AgentHandshake(None, None)
        )
        self.connected = True
        self.link.connected(handshake, self.now)
        assert not self.link.up

    def attach(self) -> None:
        """The right set-up, when the agent has just said Hello."""
        if not self.connected or len(self.told) != 1 or not isinstance(self.told[0], Hello):
            return
        if any(self.told[0].link_key):
            relay = RelayHandshake(RELAY_KEY)
            self.hear(stream(relay.hello(self.told[0], known=True)))
        self.hear(stream(Attached(10, 600)))

    def lose(self) -> None:
        if not self.connected:
            return
        self.connected = False
        lost = self.link.disconnected()
        assert [request for request, _ in lost] == self.alive
        assert all(isinstance(event, LinkLost) for _, event in lost)
        assert not any(r.queued or r.pairing or r.number is not None for r in self.requests)
        self.told.clear()
        self.numbers.clear()
        self.pairings.clear()

    def hear(self, data: bytes) -> None:
        """What the relay says; after a protocol error the connection is given up."""
        if not self.connected:
            return
        try:
            for piece in cuts(data, self.at_a_time) if self.at_a_time else (data,):
                for request, event in self.link.received(piece, self.now):
                    self.happened(request, event)
        except ProtocolError:
            self.events.append((-1, "protocol error"))
            self.listen()
            self.lose()

    def happened(self, request: RelayRequest, event: Event) -> None:
        assert self.link.up
        assert request in self.alive
        assert not isinstance(event, LinkLost)
        pairings = self.pairings.setdefault(request, [])
        match event:
            case WasQueued():
                assert request.queued
                assert not pairings
            case WasPaired(pairing):
                assert request.queued
                pairings.append(pairing)
                assert len(pairings) <= MAX_REJECTS + 1
                assert pairing.tag_index < len(request.tags)
            case FrameCame(pairing, frame):
                assert pairing is pairings[-1]
                assert pairing is request.pairing
                assert pairing.frames <= MAX_TRANSACTION_FRAMES
                assert frame
        if isinstance(event, LAST):
            self.alive.remove(request)
        self.events.append((self.requests.index(request), summary(event)))

    def listen(self) -> None:
        """What the agent has said is what an agent may say, about requests that there are."""
        if not self.link.out:
            return
        said = bytes(self.link.out)
        self.link.out.clear()
        if not self.connected:
            assert not said
            return
        if not self.told and said:
            assert said[:PREFACE_LENGTH] == b"BTZN\x01" + bytes((SHARD,))
            said = said[PREFACE_LENGTH:]
        reader = FrameReader(MAX_LINK_FRAME)
        reader.feed(said)
        while (body := reader.next_frame()) is not None:
            message = messages.decode(body, FROM_AGENT)
            self.told.append(message)
            assert isinstance(message, Hello) == (len(self.told) == 1)
            match message:
                case AuthRequest(request=number):
                    assert number not in self.numbers
                    assert message.ttl >= 1
                    self.numbers.add(number)
                case Data(request=number) | Reject(request=number) | Close(request=number):
                    assert number in self.numbers
        assert not reader.buffered

    # ---- the relay -------------------------------------------------------------------------------

    def relay_says(self) -> None:
        number = self.script.number() % 8
        small = self.script.number()
        self.hear(saying(number, small, self.script.number() % SAYINGS))

    def relay_says_anything(self) -> None:
        framed = self.script.number() & 1
        data = self.script.chunk()
        self.hear(encode_frame(data) if framed else data)

    # ---- the agent -------------------------------------------------------------------------------

    def submit(self) -> None:
        tags = TAGS[: 1 + self.script.number() % 3]
        if len(self.requests) < MOST_REQUESTS:
            request = RelayRequest(SIGN_ON_ID, tags, self.now + self.script.choose((60, 0, 0.5)))
            self.requests.append(request)
            self.alive.append(request)
            self.link.submit(request, self.now)

    def _request(self) -> RelayRequest | None:
        return self.script.choose(self.requests) if self.requests else None

    def _pairing(self, request: RelayRequest) -> Pairing:
        """One that there was, perhaps long ago."""
        pairings = self.pairings.get(request) or [Pairing(0, "")]
        return self.script.choose(pairings)

    def reject(self) -> None:
        request = self._request()
        if request is not None:
            self.link.reject(request, self._pairing(request))

    def send_frame(self) -> None:
        request = self._request()
        if request is not None:
            self.link.send_frame(request, self._pairing(request), b"a" * 80)

    def close(self) -> None:
        request = self._request()
        reason = self.script.choose((CloseReason.WITHDRAWN, CloseReason.DONE))
        if request is not None:
            self.link.close(request, reason)
            self.alive = [other for other in self.alive if other is not request]

    def forget(self) -> None:
        request = self._request()
        if request is not None:
            self.link.forget(request)
            self.alive = [other for other in self.alive if other is not request]

    def wait(self) -> None:
        self.now += self.script.choose(PAUSES)
        if not self.connected:
            return
        try:
            again = self.link.tick(self.now)
        except ProtocolError:
            self.lose()
            return
        assert self.now < again <= self.now + LINK_SILENCE


STEPS: tuple[Callable[[Play], None], ...] = (
    Play.connect,
    Play.attach,
    Play.relay_says,
    Play.relay_says_anything,
    Play.submit,
    Play.reject,
    Play.close,
    Play.send_frame,
    Play.wait,
    Play.lose,
    Play.forget,
)


@functools.cache
def saying(number: int, small: int, which: int) -> bytes:
    said: tuple[Message, ...] = (
        Queued(number),
        Refused(number, RefusedReason(1 + small % 5)),
        Paired(number, small % 3, "192.0.2.7:4711"),
        Data(number, b"f" * (1 + small)),
        Close(number, CloseReason(1 + small % 6)),
        Ping(),
        Pong(),
        Drain(),
        Attached(10, 600),
        Challenge(bytes(16), bytes(16)),
    )
    return stream(said[which])


def summary(event: Event) -> object:
    """Without the pairing's identity."""
    if isinstance(event, WasPaired):
        return WasPaired, event.pairing.tag_index, event.pairing.address
    return (FrameCame, event.frame) if isinstance(event, FrameCame) else event


def once(data: bytes) -> None:
    """u8 cut or not, and how | instructions: u8 which of `STEPS` | what it takes."""
    at_a_time, is_cut = divmod(Script(data).number(), 2)
    whole = Play(Script(data[1:]), 0)
    whole.run()
    if is_cut:
        cut = Play(Script(data[1:]), 1 + at_a_time)
        cut.run()
        assert whole.events == cut.events
        assert [type(said) for said in whole.told] == [type(said) for said in cut.told]


CONNECT, ATTACH, SAYS, ANYTHING, SUBMIT, REJECT, CLOSE, SEND, WAIT, LOSE, FORGET = range(11)
QUEUED, REFUSED, PAIRED, DATA, CLOSED, PING, PONG, DRAIN, ATTACHED, CHALLENGE = range(10)


def says(number: int, small: int, which: int) -> bytes:
    return script(SAYS, number, small, which)


def seeds() -> Iterator[bytes]:
    for by_key in (0, 1):
        up = script(5, CONNECT, by_key, ATTACH, SUBMIT, 0, 0)
        paired = up + says(0, 0, QUEUED) + says(0, 0, PAIRED) + says(0, 79, DATA)
        yield paired + script(SEND, 0, 0) + says(0, 79, DATA) + script(CLOSE, 0, 1)
        yield paired + script(REJECT, 0, 0) + says(0, 0, DATA) + says(0, 0, PAIRED)
        yield up + script(SUBMIT, 1, 0, SUBMIT, 2, 1) + says(1, 0, QUEUED) + says(1, 0, REFUSED)
        yield up + says(0, 3, REFUSED) + script(LOSE, CONNECT, by_key, ATTACH)
        yield paired + script(WAIT, 1, WAIT, 3) + says(0, 2, CLOSED)
        yield up + says(0, 0, DRAIN) + says(0, 0, PING) + script(SUBMIT, 0, 0, FORGET, 0)
    up = script(1, CONNECT, 0, ATTACH, SUBMIT, 0, 0)
    yield up + says(0, 0, QUEUED) + says(0, 5, PAIRED)
    turns = [says(0, 0, PAIRED) + script(REJECT, 0, turn) for turn in range(MAX_REJECTS + 2)]
    yield up + says(0, 0, QUEUED) + b"".join(turns)
    yield up + says(0, 0, QUEUED) + says(0, 0, PAIRED) + says(0, 0, DATA) * 17
    yield script(0, CONNECT, 1) + says(0, 0, CHALLENGE)
    yield script(0, CONNECT, 1) + says(0, 0, ATTACHED)
    yield script(0, CONNECT, 0, ANYTHING, 1, b"\x91\x0b", ANYTHING, 0, b"\xff\xff")
