"""shell. One connection to a relay: the opening in one write, then whole frames both ways."""

from types import TracebackType
from typing import Final, Self

import trio

from protocol.address import parse_tcp
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_FRAME
from protocol.messages import AuthValidate, encode
from validator.limits import CONNECT_SECONDS

_RECEIVE_SIZE: Final = 4096


class UnreachableError(Exception):
    """No connection to this relay: its name or address leads nowhere, or nobody answers."""


class EndedError(Exception):
    """The connection was closed or reset before the frame that was waited for."""


class RelayConnection:
    """A validator's connection. What it carries is not its business."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._reader = FrameReader(MAX_FRAME)

    @classmethod
    async def open(cls, relay: str) -> Self:
        """Connect to `host:port`, within CONNECT_SECONDS. Raises UnreachableError."""
        try:
            address = parse_tcp(relay)
            with trio.fail_after(CONNECT_SECONDS):
                # The stream sets TCP_NODELAY: a frame is never held back for the next one.
                return cls(await trio.open_tcp_stream(address.host, address.port))
        except (OSError, ValueError, trio.TooSlowError) as error:
            raise UnreachableError(relay) from error

    async def begin(self, shard: int, tag: bytes, first_frame: bytes) -> None:
        """Send preface, AuthValidate and the first frame in one write. Raises EndedError."""
        opening = encode_preface(shard) + encode_frame(encode(AuthValidate(tag)))
        await self._send(opening + encode_frame(first_frame))

    async def send(self, frame: bytes) -> None:
        """Raises EndedError."""
        await self._send(encode_frame(frame))

    async def receive(self) -> bytes:
        """The next frame. Raises EndedError, or ProtocolError for bytes that are no frame."""
        while (frame := self._reader.next_frame()) is None:
            try:
                data = await self._stream.receive_some(_RECEIVE_SIZE)
            except trio.BrokenResourceError:
                raise EndedError from None
            if not data:
                raise EndedError
            self._reader.feed(data)
        return frame

    async def until_over(self) -> None:
        """Return when the connection ends; a frame that nobody asked for ends it as well."""
        try:
            await self.receive()
        except (EndedError, ProtocolError):
            return

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            raise EndedError from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await trio.aclose_forcefully(self._stream)
