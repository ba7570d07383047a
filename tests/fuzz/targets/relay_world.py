"""pure. Many links and validators of one small relay, in any order: what must hold, holds."""

import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.errors import ProtocolError
from protocol.frames import encode_frame, encode_preface
from protocol.limits import MAX_REJECTS, MAX_TRANSACTION_FRAMES
from protocol.messages import Challenge, Close, CloseReason, Data, Message, Ping, Pong, Reject
from relay.ends import Link, Validator
from relay.limits import Limits
from tests.fuzz.script import Script, script
from tests.fuzz.world import (
    AGENT_KEY,
    OTHER_UID,
    RELAY_KEY,
    SHARD,
    STRANGER_UID,
    TAGS,
    UID,
    World,
    hello,
    opening,
    request,
    stream,
)

LIMITS = Limits(
    links=3,
    requests=3,
    requests_per_agent=2,
    incomplete=3,
    held=3,
    transactions=2,
    link_buffer=4096,
    stall=4.0,
    lifetime=50.0,
)
LONGEST = 128
MOST_ENDS = 12
UIDS = (UID, OTHER_UID, STRANGER_UID, None)
PAUSES = (0.001, 0.5, 4.9, 5.0, 20.0, 60.0, 400.0)
TTLS = (1, 10, 600, 0, 601)
SAYINGS = 6
LENGTHS = (1, 80, 272, 2048)

T = TypeVar("T")


class Play:
    """The instructions, by number."""

    def __init__(self, world: World, script: Script) -> None:
        self.world = world
        self.script = script
        self.handshakes: dict[Link, AgentHandshake] = {}

    def run(self) -> None:
        while self.script.more:
            self.script.choose(STEPS)(self)
        self.world.stop()
        self.world.finish()

    def _one(self, kind: type[T]) -> T | None:
        some = [end for end in self.world.ends if isinstance(end, kind)]
        return self.script.choose(some) if some else None

    def open_link(self) -> None:
        if len(self.world.ends) < MOST_ENDS:
            self.world.link(self.script.choose(UIDS))

    def open_validator(self) -> None:
        if len(self.world.ends) < MOST_ENDS:
            self.world.validator()

    def attach(self) -> None:
        link = self._one(Link)
        if link is None:
            return
        if isinstance(link.peer, int):
            self.world.feed(link, hello())
            return
        handshake = self.handshakes.setdefault(
            link, AgentHandshake(AGENT_KEY, public_bytes(RELAY_KEY))
        )
        self.world.feed(link, encode_preface(SHARD) + stream(handshake.hello()))
        heard = self.world.received(link)
        if len(heard) == 1 and isinstance(heard[0], Challenge):
            try:
                self.world.feed(link, stream(handshake.challenged(heard[0])))
            except ProtocolError:  # it answers what came before our Hello
                self.world.leave(link)

    def ask(self) -> None:
        validator = self._one(Validator)
        if validator is not None:
            self.world.feed(validator, opening(self.script.choose(TAGS)))

    def queue(self) -> None:
        link = self._one(Link)
        number = self.script.number() % 4
        tag, ttl = self.script.choose(TAGS), self.script.choose(TTLS)
        if link is not None:
            self.world.feed(link, request(number, tag, ttl=ttl))

    def say(self) -> None:
        link = self._one(Link)
        number = self.script.number() % 4
        length = self.script.choose(LENGTHS)
        said = saying(number, length, self.script.number() % SAYINGS)
        if link is not None:
            self.world.feed(link, said)

    def frame(self) -> None:
        validator = self._one(Validator)
        frame = encode_frame(b"f" * self.script.choose(LENGTHS))
        if validator is not None:
            self.world.feed(validator, frame)

    def raw(self) -> None:
        end = self._one(object)
        data = self.script.chunk()
        if isinstance(end, Link | Validator):
            self.world.feed(end, data)

    def leave(self) -> None:
        end = self._one(object)
        if isinstance(end, Link | Validator):
            self.world.leave(end)

    def wait(self) -> None:
        self.world.wait(self.script.choose(PAUSES))

    def slow(self) -> None:
        """Its peer stops reading, or goes on."""
        end = self._one(object)
        if isinstance(end, Link | Validator):
            self.world.slow ^= {end}
            self.world.broker.touch(end)
            self.world.settle()

    def drain(self) -> None:
        self.world.broker.drain()
        self.world.settle()


STEPS: tuple[Callable[[Play], None], ...] = (
    Play.open_link,
    Play.open_validator,
    Play.attach,
    Play.ask,
    Play.queue,
    Play.say,
    Play.frame,
    Play.raw,
    Play.leave,
    Play.wait,
    Play.slow,
    Play.drain,
)


@functools.cache
def saying(number: int, length: int, which: int) -> bytes:
    said: tuple[Message, ...] = (
        Data(number, b"d" * length),
        Reject(number),
        Close(number, CloseReason.DONE),
        Close(number, CloseReason.WITHDRAWN),
        Ping(),
        Pong(),
    )
    return stream(said[which])


def once(data: bytes) -> None:
    """Instructions: u8 which of `STEPS` | what it takes."""
    Play(World(LIMITS), Script(data)).run()


LINK, VALIDATOR, ATTACH, ASK, QUEUE, SAY, FRAME, RAW, LEAVE, WAIT, SLOW, DRAIN = range(12)


def seeds() -> Iterator[bytes]:
    up = script(LINK, 0, ATTACH, 0)
    queued = script(QUEUE, 0, 1, 0, 2)
    paired = up + queued + script(VALIDATOR, ASK, 0, 0, FRAME, 0, 1)
    yield paired + script(SAY, 0, 1, 1, 0, FRAME, 0, 2, SAY, 0, 1, 0, 2)
    yield paired + script(SAY, 0, 1, 0, 1, VALIDATOR, ASK, 1, 0, SAY, 0, 1, 0, 3)
    yield up + script(VALIDATOR, ASK, 0, 0) + queued + script(LEAVE, 1)
    yield up + queued + queued + script(QUEUE, 0, 2, 1, 3, WAIT, 6)
    yield script(LINK, 3, ATTACH, 0) + queued + script(WAIT, 4, WAIT, 5)
    yield up + script(LINK, 1, ATTACH, 1, QUEUE, 1, 0, 0, 1, QUEUE, 0, 0, 0, 1)
    yield paired + script(SLOW, 1, SAY, 0, 1, 3, 0, WAIT, 4, SLOW, 0, SAY, 0, 1, 3, 0)
    yield script(VALIDATOR) * 5 + script(RAW, 0, b"BTZN\x01\x07", LEAVE, 2, WAIT, 2, WAIT, 1)
    yield script(LINK, 0) * 5 + script(LINK, 2, WAIT, 3)
    late = script(QUEUE, 0, 1, 0, 0, VALIDATOR, ASK, 0, 0, WAIT, 1, FRAME, 0, 0, WAIT, 1)
    yield up + late + script(SAY, 0, 1, 0, 1)
    yield paired + script(SAY, 0, 1, 0, 0) * (MAX_TRANSACTION_FRAMES + 1)
    rejected = (
        script(VALIDATOR, ASK, number, 0, SAY, 0, 1, 0, 1) for number in range(MAX_REJECTS + 1)
    )
    yield up + queued + b"".join(rejected)
    yield (
        up
        + script(LINK, 1, ATTACH, 1)
        + b"".join(script(QUEUE, number % 2, number, number, 2) for number in range(4))
    )
    yield paired + script(DRAIN, QUEUE, 0, 2, 1, 2, SAY, 0, 1, 0, 2)
    yield (
        up
        + script(QUEUE, 0, 1, 0, 2)
        + script(QUEUE, 0, 2, 1, 2, QUEUE, 0, 3, 2, 2)
        + (script(VALIDATOR, ASK, 0, 0, VALIDATOR, ASK, 1, 1, VALIDATOR, ASK, 2, 2))
    )
