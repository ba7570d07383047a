"""A wire tap on an agent's link: all that passes between a real agent and a real relay."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio
from msgspec.msgpack import Decoder

from protocol import messages
from protocol.address import UnixAddress
from protocol.frames import FrameReader, encode_frame
from protocol.limits import MAX_LINK_FRAME, PREFACE_LENGTH
from protocol.messages import FROM_AGENT, FROM_RELAY, Message


@dataclass(frozen=True)
class Passed:
    """A message that went by. `length` of its whole frame in bytes, `at` by Trio's clock."""

    message: Message
    length: int
    at: float


@asynccontextmanager
async def tapped_link(path: Path, relay: UnixAddress) -> AsyncIterator[list[Passed]]:
    """Listens at `path` for one agent, whose link it carries on to `relay`; what went by so far."""
    passed: list[Passed] = []
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(str(path))
    listening.listen()

    async def carry(
        source: trio.SocketStream,
        sink: trio.SocketStream,
        decoder: Decoder[Message],
        skip: int,
    ) -> None:
        reader = FrameReader(MAX_LINK_FRAME)
        async for data in source:
            at = trio.current_time()
            await sink.send_all(data)
            reader.feed(bytes(data))
            if skip and reader.take(skip) is None:
                continue
            skip = 0
            while (body := reader.next_frame()) is not None:
                message = messages.decode(body, decoder)
                passed.append(Passed(message, len(encode_frame(body)), at))

    async def serve() -> None:
        accepted, _ = await listening.accept()
        agent = trio.SocketStream(accepted)
        async with agent, await trio.open_unix_socket(relay.path) as there:
            with suppress(trio.BrokenResourceError):
                async with trio.open_nursery() as both:
                    both.start_soon(carry, agent, there, FROM_AGENT, PREFACE_LENGTH)
                    both.start_soon(carry, there, agent, FROM_RELAY, 0)

    with listening:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield passed
            nursery.cancel_scope.cancel()
