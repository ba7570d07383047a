"""The relay on real sockets: pairing, forwarding, rejection."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from protocol import messages
from protocol.address import TcpAddress
from protocol.agent_auth import AgentHandshake
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_LINK_FRAME
from protocol.messages import (
    FROM_RELAY,
    Attached,
    AuthRequest,
    AuthValidate,
    Close,
    CloseReason,
    Data,
    Message,
    Paired,
    Queued,
)
from tests.support.relay import RunningRelay, start_relay


class Agent:
    """A link's other end: real bytes on a real socket, one message at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.reader = FrameReader(MAX_LINK_FRAME)

    async def send(self, *out: Message) -> None:
        await self.stream.send_all(b"".join(encode_frame(messages.encode(m)) for m in out))

    async def receive(self) -> Message:
        while (body := self.reader.next_frame()) is None:
            data = await self.stream.receive_some()
            assert data, "the relay closed the link"
            self.reader.feed(data)
        return messages.decode(body, FROM_RELAY)


@contextlib.asynccontextmanager
async def attached(relay: RunningRelay) -> AsyncIterator[Agent]:
    async with await trio.open_unix_socket(relay.unix.path) as stream:
        agent = Agent(stream)
        await stream.send_all(encode_preface(7))
        await agent.send(AgentHandshake(None, None).hello())
        assert isinstance(await agent.receive(), Attached)
        yield agent


async def connect(address: TcpAddress, data: bytes) -> trio.SocketStream:
    stream = await trio.open_tcp_stream(address.host, address.port)
    await stream.send_all(data)
    return stream


def opening(tag: bytes) -> bytes:
    return encode_preface(7) + encode_frame(messages.encode(AuthValidate(tag)))


@pytest.fixture
async def relay(nursery: trio.Nursery, tmp_path: Path) -> RunningRelay:
    return await start_relay(nursery, tmp_path)


TAG = b"t" * 16
ID = b"sign-on1"


async def test_a_request_is_paired_and_frames_go_both_ways(relay: RunningRelay) -> None:
    async with attached(relay) as agent:
        await agent.send(AuthRequest(1, ID, 60, (b"x" * 16, TAG)))
        assert await agent.receive() == Queued(1)
        validator = await connect(relay.validators, opening(TAG) + encode_frame(b"first"))
        paired = await agent.receive()
        assert isinstance(paired, Paired)
        assert (paired.request, paired.tag_index) == (1, 1)
        local = validator.socket.getsockname()
        assert paired.address == f"{local[0]}:{local[1]}"
        assert await agent.receive() == Data(1, b"first")
        await agent.send(Data(1, b"second"))
        assert await validator.receive_some() == encode_frame(b"second")
        await agent.send(Close(1, CloseReason.DONE))
        assert await validator.receive_some() == b""
        validator.socket.close()
    assert [type(r).__name__ for r in relay.records][:2] == ["LinkUp", "RequestEnded"]
