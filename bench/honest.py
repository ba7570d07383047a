"""shell. Honest sign-ons at a steady rate, and how long each took.

The validator's end is the real validator's: its connection, its way to find the relay, its time
limits. It tries once, as that does with one relay. The frames have their real sizes and random
contents, and both ends compare every byte; the real ends with their cryptography are in
`real_ends.py`.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import trio

from protocol.frames import FrameReader, encode_frame
from protocol.limits import MAX_LINK_FRAME, SIGN_ON_ID_LENGTH, TAG_LENGTH
from protocol.messages import (
    FROM_RELAY,
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    decode,
    encode,
)
from validator.connection import EndedError, RelayConnection
from validator.first_answer import Answered, Opening, first_answer
from validator.limits import CLOSING_SECONDS, RECEIPT_SECONDS

SIZES: Final = (80, 1584, 272, 272, 272)
"""H1, CONTEXT, DECISION, RECEIPT, CONFIRM."""
TTL: Final = 60
QUEUED_SECONDS: Final = 10.0
"""From AuthRequest to Queued: a user would have no passcode to type until then."""
SHARD: Final = 7
FIRST_SOURCE: Final = 0x7F400001
"""127.64.0.1"""
USERS: Final = 100
"""Each has an address in a /24 of its own, and signs on again and again."""

_BIND_NO_PORT: Final = 24
"""IP_BIND_ADDRESS_NO_PORT, which Python's socket does not name before 3.12."""


@dataclass
class SignOn:
    """One attempt. `trouble` is empty when it went through; times in seconds of Trio's clock."""

    wave: int
    began: float
    trouble: str = ""
    queued: float = 0.0
    """From AuthRequest to Queued."""
    whole: float = 0.0
    """From AuthRequest to the user's success: RECEIPT."""
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    is_queued: trio.Event = field(default_factory=trio.Event, repr=False)
    confirmed: trio.Event = field(default_factory=trio.Event, repr=False)


class Agent:
    """Plays all requests of one attached link."""

    def __init__(self, link: socket.socket) -> None:
        self._stream: Final = trio.SocketStream(trio.socket.from_stdlib_socket(link))
        self._running: Final[dict[int, SignOn]] = {}
        self._sending: Final = trio.Lock()
        self._last = 0
        self.up = True

    async def run(self) -> None:
        """Until the relay ends the link, which it must not."""
        reader = FrameReader(MAX_LINK_FRAME)
        async with self._stream:
            with suppress(trio.BrokenResourceError):
                async for data in self._stream:
                    reader.feed(bytes(data))
                    while (body := reader.next_frame()) is not None:
                        await self._on_message(decode(body, FROM_RELAY))
        self.up = False

    async def request(self, sign_on: SignOn, tag: bytes) -> int:
        self._last += 1
        self._running[self._last] = sign_on
        sign_on_id = secrets.token_bytes(SIGN_ON_ID_LENGTH)
        await self._send(AuthRequest(self._last, sign_on_id, TTL, (tag,)))
        return self._last

    async def forget(self, number: int) -> None:
        """Take back what is not over."""
        if self._running.pop(number, None) is not None:
            await self._send(Close(number, CloseReason.WITHDRAWN))

    async def _on_message(self, message: Message) -> None:
        match message:
            case Ping():
                await self._send(Pong())
            case Queued():
                self._running[message.request].is_queued.set()
            case Data() if (sign_on := self._running.get(message.request)) is not None:
                await self._on_frame(message.request, sign_on, message.frame)
            case Paired() | Pong():
                pass
            case other:
                number = getattr(other, "request", 0)
                if (sign_on := self._running.get(number)) is not None:
                    sign_on.trouble = sign_on.trouble or f"{type(other).__name__} from the relay"

    async def _on_frame(self, number: int, sign_on: SignOn, frame: bytes) -> None:
        index = sign_on.frames.index(frame) if frame in sign_on.frames else -1
        if index not in (0, 2, 4):
            sign_on.trouble = "a frame arrived as another"
        elif index == 4:
            del self._running[number]
            sign_on.confirmed.set()
            await self._send(Close(number, CloseReason.DONE))
        else:
            await self._send(Data(number, sign_on.frames[index + 1]))

    async def _send(self, message: Message) -> None:
        async with self._sending:
            try:
                await self._stream.send_all(encode_frame(encode(message)))
            except trio.BrokenResourceError:
                self.up = False


class Sources(trio.abc.SocketFactory):
    """Each connection comes from the next user's address."""

    def __init__(self) -> None:
        self._count = 0

    def socket(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, proto: int = 0
    ) -> trio.socket.SocketType:
        plain = socket.socket(family, kind, proto)
        if family == socket.AF_INET:
            address = FIRST_SOURCE + (self._count % USERS << 8)
            self._count += 1
            plain.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
            plain.bind((socket.inet_ntoa(address.to_bytes(4, "big")), 0))
        return trio.socket.from_stdlib_socket(plain)


@dataclass
class Honest:
    """Everybody who signs on at one relay."""

    relay: str
    """`host:port` for validators."""
    agents: Sequence[Agent]
    sign_ons: list[SignOn] = field(default_factory=list)

    async def at_rate(self, wave: int, count: int, seconds: float) -> None:
        """Begin `count` of them, evenly spread, and return when all have come to their end."""
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(count):
                await trio.sleep_until(start + number * seconds / count)
                sign_on = SignOn(wave, trio.current_time())
                agent = self.agents[len(self.sign_ons) % len(self.agents)]
                self.sign_ons.append(sign_on)
                nursery.start_soon(self._one, sign_on, agent)

    async def _one(self, sign_on: SignOn, agent: Agent) -> None:
        sign_on.frames = tuple(os.urandom(size) for size in SIZES)
        tag = secrets.token_bytes(TAG_LENGTH)
        number = await agent.request(sign_on, tag)
        try:
            with trio.fail_after(QUEUED_SECONDS):
                await sign_on.is_queued.wait()
            sign_on.queued = trio.current_time() - sign_on.began
            trouble = await self._validate(sign_on, tag)
        except trio.TooSlowError:
            trouble = "not queued"
        sign_on.trouble = sign_on.trouble or trouble
        if not agent.up:
            sign_on.trouble = "the agent's link is gone"
        await agent.forget(number)

    async def _validate(self, sign_on: SignOn, tag: bytes) -> str:
        """What went wrong, or nothing."""
        h1, context, decision, receipt, confirm = sign_on.frames

        def opening() -> Opening[bytes]:
            return Opening(tag, h1, lambda frame: frame)

        found = await first_answer((self.relay,), SHARD, opening, lambda: None)
        if not isinstance(found, Answered):
            return f"{found.outcome.value}{' at once' if found.cut_at_once else ''}"
        async with found.connection as connection:
            if found.answer != context:
                return "another CONTEXT"
            if await _receipt(connection, decision) != receipt:
                return "no RECEIPT"
            sign_on.whole = trio.current_time() - sign_on.began
            with trio.move_on_after(CLOSING_SECONDS):
                await connection.send(confirm)
                await connection.until_over()
        return "" if sign_on.confirmed.is_set() else "CONFIRM got lost"


async def _receipt(connection: RelayConnection, decision: bytes) -> bytes:
    with trio.move_on_after(RECEIPT_SECONDS):
        try:
            await connection.send(decision)
            return await connection.receive()
        except EndedError:
            pass
    return b""
