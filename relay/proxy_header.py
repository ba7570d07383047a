"""pure. The header that a proxy puts before a connection: PROXY protocol version 2, and no other.

Source: HAProxy's doc/proxy-protocol.txt, section 2.2. Whose bytes may be read as a header is not
decided here. Of what else the format can say, nothing is taken that would leave it open whom limits
and log are about: no UDP, no Unix socket, no forwarded connection without an address.
"""

from typing import Final, NamedTuple

from protocol.errors import ProtocolError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"

MAX_HEADER: Final = 536
"""Bytes of the longest header that is taken, TLVs included: what the smallest TCP segment holds.
TCP's addresses need 52 at most; the rest is for TLVs, which are skipped."""

_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_ADDRESS_LENGTH: Final = {0x11: 4, 0x21: 16}
"""By family and transport, which are TCP's over IPv4 and over IPv6."""
_ADDRESSES: Final = 16
"""Offset of the addresses: source, destination, source port, destination port, then TLVs."""
_PORT_LENGTH: Final = 2


class Header(NamedTuple):
    """A whole header, which took `length` bytes of the stream.

    `address` is the peer's that the proxy speaks for, 4 or 16 bytes, and `port` is its port. It is
    empty where the proxy speaks for itself (LOCAL, a health check).
    """

    length: int
    address: bytes
    port: int


def decode(data: bytes) -> Header | None:
    """The header at the start of `data`, or None when more bytes are needed.

    Raises ProtocolError at the first byte that no header can have.
    """
    if data[: len(SIGNATURE)] != SIGNATURE[: len(data)]:
        raise ProtocolError("no header of the PROXY protocol, version 2")
    if len(data) <= len(SIGNATURE):
        return None
    command, family, rest = data[12], data[13:14], data[14:_ADDRESSES]
    if command not in (_LOCAL, _PROXY):
        raise ProtocolError("another version or command of the PROXY protocol")
    size = 0
    if command == _PROXY and family:  # of LOCAL it is to be ignored
        if family[0] not in _ADDRESS_LENGTH:
            raise ProtocolError("a proxy's header about something else than TCP")
        size = _ADDRESS_LENGTH[family[0]]
    # With half of its length there, this is the least that it can be.
    length = _ADDRESSES + int.from_bytes(rest.ljust(2, b"\0"), "big")
    if length > MAX_HEADER:
        raise ProtocolError("a proxy's header that is too long")
    if len(data) < _ADDRESSES:
        return None
    port = _ADDRESSES + 2 * size
    if size and length < port + 2 * _PORT_LENGTH:
        raise ProtocolError("a proxy's header without room for its addresses")
    if len(data) < length:
        return None
    if not size:
        return Header(length, b"", 0)
    source_port = int.from_bytes(data[port : port + _PORT_LENGTH], "big")
    return Header(length, data[_ADDRESSES : _ADDRESSES + size], source_port)
