"""pure. An honest agent at an honest relay: neither ever takes the other for hostile.

Whatever validators and the network do, and however late what each side says arrives.
"""

from collections.abc import Callable, Iterator

from pam_agent.link import AgentLink
from pam_agent.link_events import Event, FrameCame, RelayRequest, WasClosed, WasPaired, WasRefused
from protocol.agent_auth import AgentHandshake
from protocol.frames import encode_frame
from protocol.limits import MAX_TRANSACTION_FRAMES
from protocol.messages import CloseReason
from relay.ends import Fate, Link, Validator
from relay.limits import Limits
from relay.outcomes import LinkOutcome
from relay.records import LinkEnded
from tests.fuzz.script import Script, script
from tests.fuzz.world import SHARD, SIGN_ON_ID, TAGS, UID, World, opening

LIMITS = Limits(requests=5, requests_per_agent=4, incomplete=4, held=4, transactions=2, stall=15.0)
LONGEST = 128
EVERYTHING = 255
MOST_VALIDATORS = 10
MOST_REQUESTS = 8
PAUSES = (0.01, 1.0, 5.0, 15.0, 30.0)


class Play:
    """What each side has said waits until it is delivered, in parts of any length."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.world = World(LIMITS)
        self.agent = AgentLink(SHARD)
        self.end: Link | None = None
        self.heard = 0
        """How much of what the relay has sent has come."""
        self.requests: list[RelayRequest] = []
        self.ended: set[RelayRequest] = set()
        self.validators: list[Validator] = []

    def run(self) -> None:
        while self.script.more:
            self.script.choose(STEPS)(self)
        self.world.finish()
        outcomes = {record.outcome for record in self.world.records if type(record) is LinkEnded}
        assert LinkOutcome.MALFORMED not in outcomes

    # ---- the link --------------------------------------------------------------------------------

    def connect(self) -> None:
        if self.end is None:
            self.end = self.world.link(UID)
            self.heard = 0
            self.agent.connected(AgentHandshake(None, None), self.world.now)

    def lose(self) -> None:
        """The connection breaks, and both sides see it."""
        if self.end is not None:
            self.world.leave(self.end)
            self.agent.disconnected()
            self.end = None

    def to_relay(self) -> None:
        length = self._length(len(self.agent.out))
        if self.end is not None:
            data = bytes(self.agent.out[:length])
            del self.agent.out[:length]
            self.world.feed(self.end, data)
            self._still_there()

    def to_agent(self) -> None:
        number = self.script.number()
        if self.end is None:
            return
        sent = self.world.sent[self.end]
        until = len(sent) if number == EVERYTHING else min(self.heard + number, len(sent))
        data = bytes(sent[self.heard : until])
        self.heard = until
        for request, event in self.agent.received(data, self.world.now):
            self.happened(request, event)

    def _length(self, all_of_it: int) -> int:
        number = self.script.number()
        return all_of_it if number == EVERYTHING else number

    def happened(self, request: RelayRequest, event: Event) -> None:
        assert request not in self.ended
        if isinstance(event, WasRefused | WasClosed):
            self.ended.add(request)
        elif isinstance(event, FrameCame | WasPaired):
            assert event.pairing is request.pairing

    def _still_there(self) -> None:
        """A relay may end a link for its own reasons; the agent then sees it end."""
        if self.end is not None and self.end.fate is not Fate.OPEN:
            self.agent.disconnected()
            self.end = None

    # ---- the agent -------------------------------------------------------------------------------

    def submit(self) -> None:
        tags = self.script.choose((TAGS[:1], TAGS[1:3], TAGS[3:], TAGS[:2]))
        taken = any(set(r.tags) & set(tags) for r in self.requests if r not in self.ended)
        if len(self.requests) < MOST_REQUESTS and not taken:
            request = RelayRequest(SIGN_ON_ID, tags, self.world.now + 20)
            self.requests.append(request)
            self.agent.submit(request, self.world.now)

    def _request(self) -> RelayRequest | None:
        alive = [request for request in self.requests if request not in self.ended]
        return self.script.choose(alive) if alive else None

    def reject(self) -> None:
        request = self._request()
        if request is not None and request.pairing is not None:
            self.agent.reject(request, request.pairing)

    def send(self) -> None:
        """As a sign-on does: an answer to each frame, and no more."""
        request = self._request()
        if request is not None and request.pairing is not None and request.pairing.frames:
            self.agent.send_frame(request, request.pairing, b"a" * 80)

    def close(self) -> None:
        request = self._request()
        reason = self.script.choose((CloseReason.WITHDRAWN, CloseReason.DONE))
        if request is not None:
            self.ended.add(request)
            self.agent.close(request, reason)

    # ---- validators, and the time ----------------------------------------------------------------

    def validator(self) -> None:
        tag = self.script.choose(TAGS)
        if len(self.validators) < MOST_VALIDATORS:
            validator = self.world.validator(opening(tag) + encode_frame(b"h" * 80))
            self.validators.append(validator)

    def _validator(self) -> Validator | None:
        return self.script.choose(self.validators) if self.validators else None

    def frame(self) -> None:
        validator = self._validator()
        if validator is not None:
            self.world.feed(validator, encode_frame(b"f" * 272))

    def raw(self) -> None:
        validator = self._validator()
        data = self.script.chunk()
        if validator is not None:
            self.world.feed(validator, data)

    def leave(self) -> None:
        validator = self._validator()
        if validator is not None:
            self.world.leave(validator)

    def wait(self) -> None:
        """Pings go to and fro by themselves, or the link would only ever be silent."""
        for _ in range(2):
            self.world.wait(self.script.choose(PAUSES) / 2)
            self._still_there()
            if self.end is not None:
                self.agent.tick(self.world.now)
                self.world.feed(self.end, bytes(self.agent.out))
                self.agent.out.clear()
                self._still_there()
        if self.end is not None:
            sent = self.world.sent[self.end]
            data, self.heard = bytes(sent[self.heard :]), len(sent)
            for request, event in self.agent.received(data, self.world.now):
                self.happened(request, event)


STEPS: tuple[Callable[[Play], None], ...] = (
    Play.connect,
    Play.to_relay,
    Play.to_agent,
    Play.submit,
    Play.reject,
    Play.send,
    Play.close,
    Play.validator,
    Play.frame,
    Play.raw,
    Play.leave,
    Play.wait,
    Play.lose,
)


def once(data: bytes) -> None:
    """Instructions: u8 which of `STEPS` | what it takes."""
    Play(Script(data)).run()


CONNECT, TO_RELAY, TO_AGENT, SUBMIT, REJECT, SEND, CLOSE = range(7)
VALIDATOR, FRAME, RAW, LEAVE, WAIT, LOSE = range(7, 13)
ALL = script(TO_RELAY, EVERYTHING, TO_AGENT, EVERYTHING)


def seeds() -> Iterator[bytes]:
    up = script(CONNECT) + ALL
    queued = up + script(SUBMIT, 0) + ALL
    paired = queued + script(VALIDATOR, 0) + ALL
    yield paired + script(SEND, 0) + ALL + script(FRAME, 0) + ALL + script(CLOSE, 0, 1) + ALL
    yield paired + script(VALIDATOR, 0, REJECT, 0, FRAME, 0) + ALL + script(SEND, 0) + ALL
    yield queued + script(VALIDATOR, 0, CLOSE, 0, 0) + ALL
    yield paired + script(LEAVE, 0, SEND, 0) + ALL
    yield paired + script(RAW, 0, b"\0\0", REJECT, 0) + ALL
    yield paired + script(FRAME, 0) * (MAX_TRANSACTION_FRAMES + 1) + script(SEND, 0) + ALL
    yield queued + script(WAIT, 4, 4, WAIT, 4, 4, WAIT, 4, 4) + ALL
    yield paired + script(LOSE, CONNECT) + ALL + script(VALIDATOR, 0) + ALL
    yield up + script(SUBMIT, 0, SUBMIT, 1, SUBMIT, 2, TO_RELAY, 40, TO_AGENT, 3) + ALL
    yield script(SUBMIT, 3, VALIDATOR, 1, VALIDATOR, 0) + up + ALL + script(REJECT, 0) + ALL
