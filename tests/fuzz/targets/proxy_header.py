"""pure. A proxy's header: whole and cut short, as a reader made from its text takes it."""

from collections.abc import Iterator

from protocol.errors import ProtocolError
from relay.proxy_header import MAX_HEADER, Header, decode
from tests.relay import plain_proxy
from tests.relay.plain_proxy import LOCAL, PROXY, SIGNATURE, TCP4, TCP6, header, local, raw, tlv

FIXED = 16
"""Bytes that each header has: what they say is judged one by one."""
LONGEST = 1024


def once(data: bytes) -> None:
    """u8: behind the signature or not | the stream, whose last byte says where it is cut, too."""
    stream = SIGNATURE + data[1:] if data[:1] == b"\1" else data[1:]
    said = read(stream)
    assert said == plain_proxy.read(stream)
    cut = stream[: stream[-1] % (FIXED + 1)] if stream else b""
    assert read(cut) == plain_proxy.read(cut)
    if isinstance(said, Header):
        assert said.length <= min(len(stream), MAX_HEADER)
        assert read(stream[: said.length]) == said
        assert read(stream[: said.length - 1]) == "more"


def read(stream: bytes) -> str | Header:
    try:
        return decode(stream) or "more"
    except ProtocolError:
        return "refused"


def seeds() -> Iterator[bytes]:
    behind = b"BTZN\1\7"
    for whole in (
        header("198.51.100.7", 51000) + behind,
        header("2001:db8::7", 1, tlv(4, b"...")) + behind,
        header("198.51.100.7", 9, bytes(508)),
        header("198.51.100.7", 9, bytes(509)),
        raw(PROXY, TCP4, bytes(11)),
        raw(PROXY, TCP6, bytes(35)),
        raw(PROXY, 0x12, bytes(12)),
        raw(LOCAL, 0xFF, b"?"),
        local() + behind,
    ):
        yield b"\0" + whole
        yield b"\1" + whole[12:]
    yield b"\0PROXY TCP4 198.51.100.7 192.0.2.1 51000 4817\r\n"
