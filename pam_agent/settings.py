"""pure. What an operator may choose, checked and in the types that the agent works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from pam_agent.conversation import Display
from pam_agent.policy import Timers
from protocol.enrolment import MAX_RELAY_ADDRESS

AGENT_PORT: Final = 4816
"""Where relays listen for agents' links."""
VALIDATOR_PORT: Final = 4817
"""Where relays listen for validators."""
MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path on Linux (unix(7): sun_path, with its NUL)."""
_MAX_PORT: Final = 65535


@dataclass(frozen=True)
class UnixAddress:
    """A Unix stream socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"

    @staticmethod
    def parse(path: str) -> "UnixAddress":
        """Raises ValueError with a text for the operator."""
        if not path.startswith("/"):
            raise ValueError("expected an absolute path of a socket")
        if len(path.encode()) > MAX_SOCKET_PATH:
            raise ValueError(f"the path of a socket has at most {MAX_SOCKET_PATH} bytes")
        return UnixAddress(Path(path))


@dataclass(frozen=True)
class TcpAddress:
    """`host` is a name or an address, without the brackets of IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @staticmethod
    def parse(text: str) -> "TcpAddress":
        """`host:port` or `[IPv6]:port`. Raises ValueError with a text for the operator."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError("an IPv6 address stands in brackets: [2001:db8::1]:4817")
        if not colon or not host or any(c.isspace() or not c.isprintable() for c in host):
            raise ValueError("expected host:port")
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _MAX_PORT):
            raise ValueError(f"expected a port from 1 to {_MAX_PORT} after the last colon")
        address = TcpAddress(host, int(port))
        if len(str(address).encode()) > MAX_RELAY_ADDRESS:
            raise ValueError(f"an address has at most {MAX_RELAY_ADDRESS} bytes")
        return address


@dataclass(frozen=True)
class Relay:
    """A relay that the agent keeps a link to.

    `key` is the relay's public key (32 bytes), None on a Unix socket. `validators` is where
    validators reach it, as an enrolment hands it out.
    """

    link: UnixAddress | TcpAddress
    key: bytes | None
    validators: tuple[TcpAddress, ...]


class LogFormat(StrEnum):
    """How a line of the log looks."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Log:
    """`format` None: for people on a terminal, else JSON."""

    format: LogFormat | None = None
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True)
class Config:
    """`host` is the label that users see on the device. Paths are absolute.

    `callers` names, by Unix user, the PAM services that it may ask with for anybody.
    """

    host: str
    state: Path
    socket: Path
    admin_socket: Path
    relays: tuple[Relay, ...]
    timers: Timers = field(default_factory=Timers)
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    services: Mapping[str, Display] = field(default_factory=dict)
    log: Log = field(default_factory=Log)

    @property
    def validators(self) -> tuple[str, ...]:
        """Where validators reach any of the relays, as `host:port`, each once."""
        return tuple(dict.fromkeys(str(each) for relay in self.relays for each in relay.validators))
