"""The relay's end of a link, played by a test's script: real bytes, and anything it likes."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from protocol import messages
from protocol.frames import FrameReader, decode_preface, encode_frame
from protocol.limits import MAX_LINK_FRAME, PREFACE_LENGTH
from protocol.messages import FROM_AGENT, Attached, Hello, Message
from tests.support.patience import PATIENCE


@dataclass
class RelaySide:
    """One connection of an agent."""

    stream: trio.SocketStream
    reader: FrameReader = field(default_factory=lambda: FrameReader(MAX_LINK_FRAME))
    patience: float = PATIENCE

    async def receive(self) -> Message:
        with trio.fail_after(self.patience):
            while (body := self.reader.next_frame()) is None:
                await self._more()
        message: Message = messages.decode(body, FROM_AGENT)
        return message

    async def send(self, *said: Message) -> None:
        await self.stream.send_all(b"".join(encode_frame(messages.encode(m)) for m in said))

    async def attach(self) -> None:
        """As far as a relay on a Unix socket gets: the link is up."""
        with trio.fail_after(self.patience):
            while (preface := self.reader.take(PREFACE_LENGTH)) is None:
                await self._more()
        decode_preface(preface)
        assert isinstance(await self.receive(), Hello)
        await self.send(Attached(1000, 600))

    async def gone(self) -> None:
        """The agent ends the connection."""
        with trio.fail_after(self.patience), suppress(trio.BrokenResourceError):
            while await self.stream.receive_some():
                pass

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise trio.BrokenResourceError
        self.reader.feed(bytes(data))


Script = Callable[[RelaySide], Awaitable[None]]


@asynccontextmanager
async def scripted_relay(path: Path, script: Script) -> AsyncIterator[None]:
    """Listens at `path` and plays `script` for each connection, which it closes after it."""
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(str(path))
    listening.listen()

    async def play(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):
                await script(RelaySide(stream))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, play, [trio.SocketListener(listening)])
        yield
        nursery.cancel_scope.cancel()
