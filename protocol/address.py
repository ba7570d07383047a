"""pure. Addresses as people write them in configurations and offers."""

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Final

MAX_PORT: Final = 65535


class AddressError(ValueError):
    """Not an address; the message says what is expected."""


@dataclass(frozen=True)
class TcpAddress:
    """`host:port`, an IPv6 host in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse_tcp(text: str) -> TcpAddress:
    """`host:port` or `[ipv6]:port`. Raises AddressError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    # Python refuses to make a number of thousands of digits, with another error than ours.
    is_number = port.isascii() and port.isdigit() and len(port) <= len(str(MAX_PORT))
    number = int(port) if is_number else 0
    is_host = (":" in host) == bracketed and _can_be_looked_up(host)
    if not colon or not host or not is_host or not 1 <= number <= MAX_PORT:
        raise AddressError("expected host:port or [ipv6]:port")
    return TcpAddress(host, number)


def _can_be_looked_up(host: str) -> bool:
    """A name service answers, even if by "no": others make it raise what nobody expects."""
    if not host.isprintable() or " " in host:
        return False
    try:
        if ":" in host:
            IPv6Address(host)
        host.encode("idna")
    except (UnicodeError, AddressValueError):
        return False
    return True


def written(address: TcpAddress | UnixAddress) -> str:
    """As `parse` takes it."""
    return f"tcp:{address}" if isinstance(address, TcpAddress) else str(address)


def parse(text: str) -> TcpAddress | UnixAddress:
    """`tcp:host:port` or `unix:/path`. Raises AddressError."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest.startswith("/") and rest.isprintable():
        return UnixAddress(rest)
    if scheme == "tcp":
        return parse_tcp(rest)
    raise AddressError("expected tcp:host:port or unix:/path")
