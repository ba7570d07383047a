"""shell. Pairs with itself through a relay's real listeners, as an agent and a validator would.

For monitoring: what this comes through, a sign-on comes through. It says nothing secret, since no
sign-on is in it; to the relay it is a request like any other.
"""

import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages, sign_on_id
from protocol.address import TcpAddress, UnixAddress
from protocol.agent_auth import AgentHandshake
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME, TAG_LENGTH
from protocol.messages import (
    FROM_RELAY,
    Attached,
    AuthRequest,
    AuthValidate,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
)

PATIENCE: Final = 5.0
"""Seconds for all of it: between two programs on one machine it takes some milliseconds."""
TTL: Final = 10
"""Seconds that the request lives, should this go away in between."""

_Kind = TypeVar("_Kind", bound=Message)

_NUMBER: Final = 1
_ANY_SHARD: Final = 0
_THERE: Final = b"bartizan probe, there"
_BACK: Final = b"bartizan probe, back"
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - who listens there


class ProbeError(Exception):
    """The message says at which step, and what happened."""


@dataclass
class Probe:
    """One way through a relay. `relay_key` (32 bytes) is the relay's, `key` ours, for TCP.

    `steps` has the seconds that each took.
    """

    agents: TcpAddress | UnixAddress
    validators: TcpAddress
    key: X25519PrivateKey
    relay_key: bytes
    steps: dict[str, float] = field(default_factory=dict)
    _began: float = 0.0

    async def run(self) -> None:
        """Raises ProbeError."""
        step = "attach"
        self._began = trio.current_time()
        try:
            with trio.fail_after(PATIENCE):
                async with await _connect(self.agents) as stream:
                    link = _Stream(stream, MAX_LINK_FRAME)
                    await self._attach(link)
                    step = self._took(step, "queue")
                    tag = secrets.token_bytes(TAG_LENGTH)
                    request = AuthRequest(_NUMBER, sign_on_id.generate(), TTL, (tag,))
                    await link.send(request)
                    await link.expect(Queued)
                    step = self._took(step, "pair")
                    async with await _connect(self.validators) as other:
                        validator = _Stream(other, MAX_FRAME)
                        asking = encode_frame(messages.encode(AuthValidate(tag)))
                        there = encode_frame(_THERE)
                        await other.send_all(encode_preface(_ANY_SHARD) + asking + there)
                        await link.expect(Paired)
                        step = self._took(step, "forward")
                        data = await link.expect(Data)
                        if data.frame != _THERE:
                            raise ProbeError(f"{step}: another frame came than was sent")
                        await link.send(Data(_NUMBER, _BACK))
                        if await validator.frame() != _BACK:
                            raise ProbeError(f"{step}: another frame came back than was sent")
                        step = self._took(step, "close")
                        await link.send(Close(_NUMBER, CloseReason.DONE))
                        await validator.ends()
                        self._took(step, "")
        except trio.TooSlowError:
            raise ProbeError(f"{step}: nothing came for {PATIENCE:g} s") from None
        except ProtocolError as error:
            raise ProbeError(f"{step}: {error}") from None
        except (trio.BrokenResourceError, ConnectionError):
            raise ProbeError(f"{step}: the relay closed the connection") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise ProbeError(f"{step}: cannot connect: {reason}") from None

    def _took(self, step: str, following: str) -> str:
        now = trio.current_time()
        self.steps[step], self._began = now - self._began, now
        return following

    async def _attach(self, link: "_Stream") -> None:
        by_key = isinstance(self.agents, TcpAddress)
        handshake = AgentHandshake(*((self.key, self.relay_key) if by_key else (None, None)))
        await link.stream.send_all(encode_preface(_ANY_SHARD))
        await link.send(handshake.hello())
        if by_key:
            await link.send(handshake.challenged(await link.expect(Challenge)))
        handshake.attached(await link.expect(Attached))


class _Stream:
    """Frames of a connection, and messages of a link."""

    def __init__(self, stream: trio.SocketStream, most: int) -> None:
        self.stream: Final = stream
        self._reader: Final = FrameReader(most)

    async def send(self, message: Message) -> None:
        await self.stream.send_all(encode_frame(messages.encode(message)))

    async def frame(self) -> bytes:
        """Raises ConnectionError at the end."""
        while (body := self._reader.next_frame()) is None:
            data = await self.stream.receive_some()
            if not data:
                raise ConnectionError
            self._reader.feed(data)
        return body

    async def ends(self) -> None:
        if await self.stream.receive_some():
            raise ProtocolError("something came behind the end")

    async def expect(self, kind: type[_Kind]) -> _Kind:
        """The next message but for what may come at any time. Raises ProtocolError."""
        while True:
            message = messages.decode(await self.frame(), FROM_RELAY)
            if isinstance(message, kind):
                return message
            if isinstance(message, Ping):
                await self.send(Pong())
            elif isinstance(message, Refused):
                raise ProtocolError(f"the relay refuses the request: {_words(message.reason)}")
            elif isinstance(message, Close):
                raise ProtocolError(f"the relay closes the request: {_words(message.reason)}")
            elif not isinstance(message, Drain):
                raise ProtocolError(f"{type(message).__name__} instead of {kind.__name__}")


def _words(reason: Enum) -> str:
    return reason.name.lower().replace("_", " ")


async def _connect(address: TcpAddress | UnixAddress) -> trio.SocketStream:
    if isinstance(address, UnixAddress):
        return await trio.open_unix_socket(address.path)
    host = _EVERY_ADDRESS.get(address.host, address.host)
    return await trio.open_tcp_stream(host, address.port)
