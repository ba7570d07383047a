"""pure. A relay's address as people write it: `host:port`, an IPv6 address in brackets."""

from typing import NamedTuple

MAX_PORT = 0xFFFF


class RelayAddress(NamedTuple):
    """Where to connect to. `host` is a name or an address, without brackets."""

    host: str
    port: int


def parse(text: str) -> RelayAddress:
    """Raises ValueError with a message that names the address."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or "[" in host or "]" in host:
        raise ValueError(f"'{text}' is no relay address: write an IPv6 address in [brackets]")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not colon or not host or any(c.isspace() for c in host) or not 1 <= number <= MAX_PORT:
        raise ValueError(f"'{text}' is no relay address: it must be host:port")
    return RelayAddress(host, number)
