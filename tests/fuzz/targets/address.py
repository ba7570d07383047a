"""pure. Addresses: those of an offer come from another machine."""

from collections.abc import Iterator

from protocol.address import AddressError, TcpAddress, parse, parse_tcp


def once(data: bytes) -> None:
    """UTF-8 text."""
    text = data.decode(errors="replace")
    try:
        tcp = parse_tcp(text)
    except AddressError:
        tcp = None
    if tcp is not None:
        assert tcp.host
        assert 1 <= tcp.port <= 0xFFFF
        assert parse_tcp(str(tcp)) == tcp
        assert parse(f"tcp:{text}") == tcp
    try:
        either = parse(text)
    except AddressError:
        return
    again = f"tcp:{either}" if isinstance(either, TcpAddress) else str(either)
    assert parse(again) == either


def seeds() -> Iterator[bytes]:
    for text in ("relay.example.net:4817", "[2001:db8::7]:4817", "host:0", "[::1]:65536", "::1:5"):
        yield text.encode()
        yield f"tcp:{text}".encode()
    yield b"unix:/run/bartizan/relay.sock"
    yield b"unix:relative"
