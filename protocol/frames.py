"""pure. The preface and the framing of every connection (SPEC section 2.2).

Knows lengths only: what a body means is not its business.
"""

from typing import Final

from protocol.errors import ProtocolError
from protocol.limits import LENGTH_PREFIX, PREFACE_LENGTH, VERSION

MAGIC: Final = b"BTZN"


def encode_preface(shard: int) -> bytes:
    """The 6 bytes with which a client opens a connection."""
    return MAGIC + bytes((VERSION, shard))


def decode_preface(data: bytes) -> int:
    """The shard byte of a 6 byte preface. Raises ProtocolError for another magic or version."""
    if len(data) != PREFACE_LENGTH or data[:4] != MAGIC:
        raise ProtocolError("not a Bartizan connection")
    if data[4] != VERSION:
        raise ProtocolError("another protocol version")
    return data[5]


def encode_frame(body: bytes) -> bytes:
    """`u16 big-endian length | body`. The caller keeps the body within the limit of its wire."""
    return len(body).to_bytes(LENGTH_PREFIX, "big") + body


class FrameReader:
    """Cuts a byte stream into frame bodies of 1 to `max_body` bytes.

    Holds less than one frame between calls when its user drains it after each `feed`.
    """

    __slots__ = ("_buffer", "_offset", "max_body")

    def __init__(self, max_body: int) -> None:
        self.max_body = max_body
        self._buffer = b""
        self._offset = 0

    def feed(self, data: bytes) -> None:
        buffer = self._buffer
        self._buffer = data if self._offset == len(buffer) else buffer[self._offset :] + data
        self._offset = 0

    def next_frame(self) -> bytes | None:
        """The next whole body, or None when more bytes are needed. Raises ProtocolError."""
        length = self._pass()
        return self._buffer[self._offset - length : self._offset] if length else None

    def next_framed(self) -> bytes | None:
        """The same with its length before it, as it came."""
        length = self._pass()
        return (
            self._buffer[self._offset - length - LENGTH_PREFIX : self._offset] if length else None
        )

    def _pass(self) -> int:
        """Go behind the next whole frame: how long its body is, 0 when more bytes are needed."""
        start = self._offset + LENGTH_PREFIX
        buffer = self._buffer
        if start > len(buffer):
            return 0
        length = (buffer[start - 2] << 8) | buffer[start - 1]
        if not 1 <= length <= self.max_body:
            raise ProtocolError("frame length out of bounds")
        end = start + length
        if end > len(buffer):
            return 0
        self._offset = end
        return length

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet handed out: more than 0 at the end of a stream means truncation."""
        return len(self._buffer) - self._offset

    @property
    def unread(self) -> bytes:
        """Those bytes themselves."""
        return self._buffer[self._offset :]

    def take(self, count: int) -> bytes | None:
        """The next `count` raw bytes (the preface), or None when more bytes are needed."""
        end = self._offset + count
        if end > len(self._buffer):
            return None
        data = self._buffer[self._offset : end]
        self._offset = end
        return data
