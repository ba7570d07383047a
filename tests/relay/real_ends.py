"""An agent's and a validator's end of real sockets, one message at a time."""

import contextlib
import socket
from collections.abc import AsyncIterator

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages
from protocol.address import TcpAddress
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME
from protocol.messages import (
    FROM_RELAY,
    Attached,
    AuthRequest,
    AuthValidate,
    Challenge,
    Message,
    Paired,
    Queued,
)
from tests.support.relay import RunningRelay

TAG = b"t" * 16
SIGN_ON_ID = b"sign-on1"


def frames(*out: Message) -> bytes:
    return b"".join(encode_frame(messages.encode(message)) for message in out)


def asking_for(tag: bytes) -> bytes:
    """What a validator sends first."""
    return encode_preface(7) + frames(AuthValidate(tag))


def hello_by_uid() -> bytes:
    """What an agent sends first on a Unix socket."""
    return encode_preface(7) + frames(AgentHandshake(None, None).hello())


class Agent:
    """A link's other end."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._reader = FrameReader(MAX_LINK_FRAME)
        self._sending = trio.Lock()

    async def send(self, *out: Message) -> None:
        async with self._sending:
            await self.stream.send_all(frames(*out))

    async def receive(self) -> Message:
        while (body := self._reader.next_frame()) is None:
            data = await self.stream.receive_some()
            assert data, "the relay closed the link"
            self._reader.feed(data)
        message: Message = messages.decode(body, FROM_RELAY)
        return message

    async def send_request(self, *tags: bytes, number: int = 1, ttl: int = 60) -> None:
        await self.send(AuthRequest(number, SIGN_ON_ID, ttl, tags or (TAG,)))

    async def queue(self, *tags: bytes, number: int = 1, ttl: int = 60) -> None:
        """Send a request that must be taken."""
        await self.send_request(*tags, number=number, ttl=ttl)
        assert await self.receive() == Queued(number)

    async def is_cut_off(self) -> bool:
        """Whether nothing more comes, by EOF or reset."""
        try:
            return await self.stream.receive_some() == b""
        except trio.BrokenResourceError:
            return True


@contextlib.asynccontextmanager
async def attached(relay: RunningRelay) -> AsyncIterator[Agent]:
    """A link by peer credentials."""
    async with await trio.open_unix_socket(relay.unix.path) as stream:
        agent = Agent(stream)
        await stream.send_all(hello_by_uid())
        assert isinstance(await agent.receive(), Attached)
        yield agent


@contextlib.asynccontextmanager
async def attached_by_key(relay: RunningRelay, key: X25519PrivateKey) -> AsyncIterator[Agent]:
    """A link by TCP. Raises ProtocolError when the relay does not know the key."""
    async with await trio.open_tcp_stream(relay.agents.host, relay.agents.port) as stream:
        agent = Agent(stream)
        handshake = AgentHandshake(key, public_bytes(relay.key))
        await stream.send_all(encode_preface(7))
        await agent.send(handshake.hello())
        challenge = await agent.receive()
        assert isinstance(challenge, Challenge)
        await agent.send(handshake.challenged(challenge))
        assert isinstance(await agent.receive(), Attached)
        yield agent


class Validator:
    """A validator's connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._reader = FrameReader(MAX_FRAME)

    @property
    def address(self) -> str:
        """As the relay sees it."""
        host, port = self.stream.socket.getsockname()
        return f"{host}:{port}"

    async def send(self, *bodies: bytes) -> None:
        await self.stream.send_all(b"".join(encode_frame(body) for body in bodies))

    async def receive(self) -> bytes:
        while (body := self._reader.next_frame()) is None:
            data = await self.stream.receive_some()
            assert data, "the relay closed the connection"
            self._reader.feed(data)
        return body

    async def end(self) -> str:
        """How the connection ends: "closed", "reset", or what came instead."""
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            assert isinstance(cause, ConnectionResetError)
            return "reset"
        return f"received {data!r}" if data else "closed"


@contextlib.asynccontextmanager
async def connected(address: TcpAddress, *data: bytes) -> AsyncIterator[Validator]:
    async with await trio.open_tcp_stream(address.host, address.port) as stream:
        await stream.send_all(b"".join(data))
        yield Validator(stream)


@contextlib.asynccontextmanager
async def paired(relay: RunningRelay, agent: Agent, tag: bytes = TAG) -> AsyncIterator[Validator]:
    """A validator that has come for a request that waits."""
    async with connected(relay.validators, asking_for(tag)) as validator:
        assert isinstance(await agent.receive(), Paired)
        yield validator


def small_buffers(host: str, port: int) -> socket.socket:
    """A plain connected socket that takes very little before it must be read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.connect((host, port))
    return sock
