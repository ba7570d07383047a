"""The PAM module's end of the agent's socket, played by a test: records, and who it is."""

import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from pam_agent.local_wire import (
    FROM_AGENT,
    RecordReader,
    RecordType,
    Result,
    Start,
    encode_record,
)
from tests.support.patience import PATIENCE

PASSCODE = re.compile(r"passcode (\d{4} \d{4})")


@dataclass
class Caller:
    """One call of PAM, seen from the module."""

    stream: trio.SocketStream
    reader: RecordReader = field(default_factory=lambda: RecordReader(FROM_AGENT))
    shown: list[tuple[RecordType, str]] = field(default_factory=list)

    async def passcode(self) -> str:
        """The passcode that is shown, as people read it. A prompt is not answered."""
        while (found := PASSCODE.search("\n".join(text for _, text in self.shown))) is None:
            kind = await self.text()
            assert kind in (RecordType.INFO, RecordType.PROMPT), kind
        return found[1].replace(" ", "")

    async def text(self) -> RecordType:
        """The next record, a text, which is then in `shown`."""
        kind, payload = await self.record()
        self.shown.append((kind, payload.decode()))
        return kind

    async def result(self) -> Result:
        """The result; texts before it are in `shown`. It is the last record."""
        while True:
            kind, payload = await self.record()
            if kind is RecordType.RESULT:
                with trio.fail_after(PATIENCE):
                    assert await self.stream.receive_some(1) == b""
                assert self.reader.next_record() is None
                return Result(payload[0])
            self.shown.append((kind, payload.decode()))

    async def record(self) -> tuple[RecordType, bytes]:
        with trio.fail_after(PATIENCE):
            while (record := self.reader.next_record()) is None:
                data = await self.stream.receive_some()
                assert data, "the agent has hung up"
                self.reader.feed(bytes(data))
        return record

    async def send(self, kind: RecordType, payload: bytes = b"") -> None:
        await self.stream.send_all(encode_record(kind, payload))


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Connects as another user: the kernel notes the effective one. Needs root."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@asynccontextmanager
async def calling(
    path: Path, user: str, *, uid: int | None = None, service: str = "sudo", **fields: str
) -> AsyncIterator[Caller]:
    """Connects and sends the start record. `uid` is the caller's, the test's own when None."""
    async with await connected(path, uid) as stream:
        start = Start(service=service, user=user, **fields).encode()
        await stream.send_all(encode_record(RecordType.START, start))
        yield Caller(stream)


async def connected(path: Path, uid: int | None = None) -> trio.SocketStream:
    """A connection to the agent's socket, by `uid`."""
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with acting_as(uid) if uid is not None else acting_as(os.geteuid()):
        plain.connect(str(path))
    plain.setblocking(False)
    return trio.SocketStream(trio.socket.from_stdlib_socket(plain))
