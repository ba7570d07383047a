"""A relay in the hands of an attacker, as a program of its own: all of a relay's state and power.

It speaks protocol.messages to agents and to validators. A Deed says what it does with what comes
through; the Deed itself is a relay that only reads along. Everything it ever sees is kept.
"""

import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from protocol import messages
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, decode_preface, encode_frame
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME, PREFACE_LENGTH
from protocol.messages import (
    FROM_AGENT,
    FROM_VALIDATOR,
    Attached,
    AuthRequest,
    AuthValidate,
    Close,
    CloseReason,
    Data,
    Hello,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Reject,
)
from tests.support.patience import PATIENCE

ADDRESS = "192.0.2.66:666"
"""Where it says that validators come from."""


class Deed:
    """Reads along, and otherwise does what a relay does. Frames are numbered from 1, each way."""

    async def queued(self, evil: "EvilRelay", request: "Request") -> None:
        """An agent's request came."""
        await request.link.say(Queued(request.asked.request))

    async def came(self, evil: "EvilRelay", validator: "Validator") -> "Request | None":
        """A validator asks for a tag: the request to pair it with."""
        return await evil.request_for(validator.tag)

    async def from_validator(self, pair: "Pair", number: int, frame: bytes) -> None:
        await pair.to_agent(frame)

    async def from_agent(self, pair: "Pair", number: int, frame: bytes) -> None:
        await pair.to_validator(frame)


class Stream:
    """Frames over a stream; every byte that comes is the evil relay's to keep."""

    def __init__(self, evil: "EvilRelay", stream: trio.SocketStream, most: int) -> None:
        self.evil = evil
        self.stream = stream
        self.reader = FrameReader(most)
        self._sending = trio.Lock()

    async def preface(self) -> None:
        while (preface := self.reader.take(PREFACE_LENGTH)) is None:
            await self._more()
        decode_preface(preface)

    async def frame(self) -> bytes:
        while (body := self.reader.next_frame()) is None:
            await self._more()
        return body

    async def put(self, data: bytes) -> None:
        """Bytes to the other end, if there is one."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with self._sending:
                await self.stream.send_all(data)

    async def cut(self) -> None:
        """A reset, as a real relay's."""
        with suppress(OSError, trio.ClosedResourceError):
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self.stream)

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise trio.BrokenResourceError
        self.evil.seen += data
        self.reader.feed(bytes(data))


class Link(Stream):
    """An agent's link."""

    async def say(self, *said: Message) -> None:
        await self.put(b"".join(encode_frame(messages.encode(each)) for each in said))


@dataclass(eq=False)
class Request:
    """A waiting request, and whoever is paired with it."""

    link: Link
    asked: AuthRequest
    pair: "Pair | None" = None


class Validator(Stream):
    """A validator's connection."""

    tag = b""


@dataclass(eq=False)
class Pair:
    """A request and a validator, as the agent and the validator are to believe."""

    request: Request
    validator: Validator
    ins: list[bytes] = field(default_factory=list)
    """What came from the validator."""
    outs: list[bytes] = field(default_factory=list)
    """What came from the agent."""
    jobs: deque[Callable[[], Awaitable[None]]] = field(default_factory=deque)
    """What is to be done about what came from the agent, in its order."""
    working: bool = False

    async def to_agent(self, *frames: bytes) -> None:
        number = self.request.asked.request
        await self.request.link.say(*[Data(number, frame) for frame in frames])

    async def to_validator(self, *frames: bytes) -> None:
        await self.validator.put(b"".join(map(encode_frame, frames)))

    async def cut(self, reason: CloseReason = CloseReason.VALIDATOR_GONE) -> None:
        """Both lose the other."""
        await self.validator.cut()
        self.request.pair = None
        await self.request.link.say(Close(self.request.asked.request, reason))
        self.validator.evil.forget(self.request)


class EvilRelay:
    """The program. `deed` may be changed at any time."""

    def __init__(self, deed: Deed, nursery: trio.Nursery) -> None:
        self.deed = deed
        self._nursery = nursery
        self.seen = bytearray()
        """Every byte that came, from both sides."""
        self.links: list[Link] = []
        self.requests: list[Request] = []
        self.pairs: list[Pair] = []
        """All there ever were."""
        self._changed = trio.Event()

    async def request_for(self, tag: bytes) -> Request | None:
        """The request under `tag`, as soon as there is one; None when none comes."""
        with trio.move_on_after(PATIENCE):
            while True:
                for request in reversed(self.requests):
                    if tag in request.asked.tags and request.pair is None:
                        return request
                await self._changed.wait()
        return None

    def forget(self, request: Request) -> None:
        if request in self.requests:
            self.requests.remove(request)

    async def begin(self, request: Request, validator: Validator, tag_index: int) -> Pair:
        """Tells the agent of a validator, true or not."""
        pair = Pair(request, validator)
        request.pair = pair
        self.pairs.append(pair)
        await request.link.say(Paired(request.asked.request, tag_index, ADDRESS))
        return pair

    # ---- agents ----------------------------------------------------------------------------------

    async def serve_agent(self, stream: trio.SocketStream) -> None:
        link = Link(self, stream, MAX_LINK_FRAME)
        async with stream:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await link.preface()
                hello = messages.decode(await link.frame(), FROM_AGENT)
                assert isinstance(hello, Hello)
                await link.say(Attached(1000, 600))
                self.links.append(link)
                await self._read_agent(link)
        self.requests = [each for each in self.requests if each.link is not link]

    async def _read_agent(self, link: Link) -> None:
        while True:
            message = messages.decode(await link.frame(), FROM_AGENT)
            match message:
                case AuthRequest():
                    request = Request(link, message)
                    self.requests.append(request)
                    self._changed.set()
                    self._changed = trio.Event()
                    self._nursery.start_soon(self.deed.queued, self, request)
                case Data(number, frame):
                    pair = self._paired(link, number)
                    if pair is not None:
                        pair.outs.append(frame)
                        out = partial(self.deed.from_agent, pair, len(pair.outs), frame)
                        self._then(pair, out)
                case Reject(number) | Close(number):
                    pair = self._paired(link, number)
                    if pair is not None:
                        pair.request.pair = None
                        done = message == Close(number, CloseReason.DONE)
                        self._then(pair, partial(_over, pair, done))
                    if isinstance(message, Close):
                        for request in [r for r in self.requests if r.link is link]:
                            if request.asked.request == number:
                                self.forget(request)
                case Ping():
                    await link.say(Pong())
                case _:
                    pass

    def _then(self, pair: Pair, job: Callable[[], Awaitable[None]]) -> None:
        """Trio starts tasks in any order: so one task does the jobs of a pair."""
        pair.jobs.append(job)
        if not pair.working:
            pair.working = True
            self._nursery.start_soon(self._work, pair)

    async def _work(self, pair: Pair) -> None:
        while pair.jobs:
            await pair.jobs.popleft()()
        pair.working = False

    def _paired(self, link: Link, number: int) -> Pair | None:
        for request in self.requests:
            if request.link is link and request.asked.request == number:
                return request.pair
        return None

    # ---- validators ------------------------------------------------------------------------------

    async def serve_validator(self, stream: trio.SocketStream) -> None:
        validator = Validator(self, stream, MAX_FRAME)
        async with stream:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, ProtocolError):
                await validator.preface()
                asked = messages.decode(await validator.frame(), FROM_VALIDATOR)
                assert isinstance(asked, AuthValidate)
                validator.tag = asked.tag
                request = await self.deed.came(self, validator)
                if request is None:
                    await validator.cut()
                    return
                index = (
                    request.asked.tags.index(asked.tag) if asked.tag in request.asked.tags else 0
                )
                pair = await self.begin(request, validator, index)
                try:
                    while True:
                        frame = await validator.frame()
                        pair.ins.append(frame)
                        await self.deed.from_validator(pair, len(pair.ins), frame)
                finally:
                    if pair.request.pair is pair:
                        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                            await pair.cut()


async def _over(pair: Pair, done: bool) -> None:
    # A reset would take back what the validator has not read yet.
    await (pair.validator.stream.aclose() if done else pair.validator.cut())


@dataclass
class RunningEvil:
    """Where it listens."""

    evil: EvilRelay
    agents: Path
    port: int


@asynccontextmanager
async def evil_relay(folder: Path, deed: Deed) -> AsyncIterator[RunningEvil]:
    """Listens in `folder` for agents, and on loopback for validators."""
    path = folder / "evil.sock"
    plain = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await plain.bind(str(path))
    plain.listen()
    agents = [trio.SocketListener(plain)]
    validators = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        evil = EvilRelay(deed, nursery)
        nursery.start_soon(partial(trio.serve_listeners, evil.serve_agent, agents))
        nursery.start_soon(partial(trio.serve_listeners, evil.serve_validator, validators))
        yield RunningEvil(evil, path, validators[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()
