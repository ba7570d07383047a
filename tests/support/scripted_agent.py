"""edge. The agent's end of the module's socket, played by a test's script.

The real agent keeps to its wire. To see what the module does with one that does not, a test plays
that end itself, on a real Unix socket and in the real records.
"""

import fcntl
import socket
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from pam_agent.local_wire import (
    FROM_MODULE,
    RecordReader,
    RecordType,
    Result,
    Start,
    encode_record,
)


@dataclass
class Caller:
    """One connection of a module."""

    stream: trio.SocketStream
    reader: RecordReader = field(default_factory=lambda: RecordReader(FROM_MODULE))

    async def receive(self) -> tuple[RecordType, bytes] | None:
        """The next record, or None at the end of the stream."""
        while True:
            record = self.reader.next_record()
            if record is not None:
                return record
            received = await self.stream.receive_some()
            if not received:
                return None
            self.reader.feed(received)

    async def start(self) -> Start:
        record = await self.receive()
        assert record is not None
        kind, payload = record
        assert kind is RecordType.START
        return Start.decode(payload)

    async def send(self, kind: RecordType, text: str = "") -> None:
        await self.stream.send_all(encode_record(kind, text.encode()))

    async def end(self, result: Result) -> None:
        await self.stream.send_all(encode_record(RecordType.RESULT, bytes((result,))))

    async def send_bytewise(self, stream: bytes) -> None:
        """Sends each byte when the one before was taken, so that the module reads it alone."""
        for byte in stream:
            await self.stream.send_all(bytes((byte,)))
            while self._unread():
                await trio.lowlevel.checkpoint()

    def _unread(self) -> int:
        room = fcntl.ioctl(self.stream.socket.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        (count,) = struct.unpack("i", room)
        return int(count)


Script = Callable[[Caller], Awaitable[None]]


@asynccontextmanager
async def scripted_agent(path: Path, script: Script) -> AsyncIterator[None]:
    """Listens at `path` and plays `script` for each connection, which it closes after it."""
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(str(path))
    listening.listen()

    async def play(stream: trio.SocketStream) -> None:
        async with stream:
            # The module may have hung up on what it was sent: many tests want it to.
            with suppress(trio.BrokenResourceError):
                await script(Caller(stream))

    async with trio.open_nursery() as nursery:
        listener = trio.SocketListener(listening)
        nursery.start_soon(trio.serve_listeners, play, [listener])
        yield
        nursery.cancel_scope.cancel()
    await trio.Path(path).unlink()
