"""edge. The agent's configuration file, TOML: read, checked, or refused with the place and why."""

import base64
import binascii
import ipaddress
import socket
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from daemons.key_types import found
from daemons.tables import joined, mistakes
from pam_agent.config_file import AgentFile, RelayTable
from pam_agent.service_policy import ServicePolicy, nonsense, policy
from pam_agent.settings import Config, Relay
from protocol.address import AddressError, TcpAddress, UnixAddress, parse_tcp
from protocol.address import parse as parse_address
from protocol.enrolment import MAX_RELAY_ADDRESS
from protocol.limits import KEY_LENGTH, MAX_RELAYS
from protocol.signon_messages import MAX_HOST
from protocol.text import clean

DEFAULT_PATH: Final = Path("/etc/bartizan/agent.toml")
VALIDATOR_PORT: Final = 4817
"""Where a relay listens for validators unless told otherwise."""
MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path on Linux (unix(7): sun_path, with its NUL)."""


_BYTE_ORDER_MARK: Final = "\ufeff"


class ConfigError(Exception):
    """The file cannot be used; a line for each mistake names file, key, found and expected."""


def load(path: Path | None) -> Config:
    """The configuration in `path`; with None that in DEFAULT_PATH, or the default without it.

    Raises ConfigError.
    """
    where = path or DEFAULT_PATH
    try:
        text = where.read_bytes().decode()
    except FileNotFoundError:
        if path is None:
            return parse("", "embedded default")
        raise ConfigError(f"{where}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: byte {error.start + 1} is not UTF-8") from None
    return parse(text, str(where))


def parse(text: str, where: str) -> Config:
    """The configuration in `text`, from a file called `where`. Raises ConfigError."""
    if text.startswith(_BYTE_ORDER_MARK):
        raise ConfigError(f"{where}: not TOML: it begins with a byte order mark; save it without")
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise ConfigError(f"{where}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: not TOML: nested too deep") from None
    if wrong := mistakes(table, AgentFile):
        raise ConfigError("\n".join(f"{where}: {each}" for each in wrong))
    try:
        return _config(msgspec.convert(table, AgentFile))
    except _KeyError as error:
        raise ConfigError("\n".join(f"{where}: {each}" for each in error.args)) from None


class _KeyError(Exception):
    """`key: what is wrong`, for each mistake."""


def _config(file: AgentFile) -> Config:
    host = socket.gethostname() if file.host is None else file.host
    if not host or clean(host) != host or len(host.encode()) > MAX_HOST:
        raise _KeyError(
            f"host: found {found(host)}, expected 1 to {MAX_HOST} bytes of printable text"
        )
    relays = (
        (_local_relay(host),)
        if file.relays is None
        else tuple(_relay(each, f"relays[{n}]") for n, each in enumerate(file.relays))
    )
    config = Config(
        host=host,
        state=_absolute(file.state, "state"),
        socket=_socket(file.socket, "socket"),
        admin_socket=_socket(file.admin_socket, "admin_socket"),
        relays=relays,
        timers=file.timers,
        callers={name: tuple(services) for name, services in file.callers.items()},
        services=_services(file),
        log=file.log,
        metrics=None if file.metrics.listen is None else _metrics(file.metrics.listen),
    )
    if not relays:
        raise _KeyError(
            "relays: found an empty array, expected [[relays]] tables, or no key for the default"
        )
    if len({relay.link for relay in relays}) != len(relays):
        raise _KeyError("relays: two tables have the same link")
    if len(config.validators) > MAX_RELAYS:
        raise _KeyError(
            f"relays: found {len(config.validators)} addresses for validators in all,"
            f" expected at most {MAX_RELAYS}: an enrolment code has to be typeable"
        )
    return config


def _services(file: AgentFile) -> dict[str, ServicePolicy]:
    wrong = []
    for name, table in file.services.items():
        key = joined("services", name)
        if not name or clean(name.lower()) != name:
            wrong.append(f"{key}: expected a printable name in lower case, as PAM has it")
        wrong += [f"{key}.{each}" for each in nonsense(name, table, file.timers)]
    if wrong:
        raise _KeyError(*wrong)
    return {name: policy(name, table, file.timers) for name, table in file.services.items()}


def _local_relay(host: str) -> Relay:
    return Relay(
        UnixAddress("/run/bartizan-relay/agents.sock"),
        None,
        (TcpAddress(host, VALIDATOR_PORT),),
    )


def _relay(table: RelayTable, key: str) -> Relay:
    try:
        link = parse_address(table.link)
    except AddressError as error:
        raise _KeyError(f"{key}.link: found {found(table.link)}, {error}") from None
    if isinstance(link, UnixAddress):
        _socket(link.path, f"{key}.link")
        if table.key is not None:
            raise _KeyError(
                f"{key}.key: found with a unix link, expected with tcp only: on a Unix socket the"
                " system vouches"
            )
    if not table.validators:
        raise _KeyError(f"{key}.validators: found none, expected at least one host:port")
    return Relay(
        link,
        _public_key(table.key, f"{key}.key") if isinstance(link, TcpAddress) else None,
        tuple(_tcp(each, f"{key}.validators[{n}]") for n, each in enumerate(table.validators)),
    )


def _metrics(text: str) -> UnixAddress | TcpAddress:
    key = "metrics.listen"
    try:
        address = parse_address(text)
        if isinstance(address, UnixAddress):
            _socket(address.path, key)
            return address
        if ipaddress.ip_address(address.host).is_loopback:
            return address
    except ValueError:  # AddressError is one, and so is what is no number of an address
        pass
    raise _KeyError(f"{key}: found {found(text)}, expected unix:/path or tcp:127.0.0.1:PORT")


def _public_key(text: str | None, key: str) -> bytes:
    expected = f"base64 of {KEY_LENGTH} bytes, as `bartizan-relay public-key` prints it"
    if text is None:
        raise _KeyError(f"{key}: missing, expected {expected}")
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _KeyError(f"{key}: found {found(text)}, expected {expected}") from None
    if len(raw) != KEY_LENGTH:
        raise _KeyError(f"{key}: found {len(raw)} bytes, expected {expected}")
    return raw


def _absolute(text: str, key: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or clean(text) != text:
        raise _KeyError(f"{key}: found {found(text)}, expected an absolute path, printable")
    return path


def _socket(text: str, key: str) -> Path:
    path = _absolute(text, key)
    if len(text.encode()) > MAX_SOCKET_PATH:
        raise _KeyError(
            f"{key}: found {len(text.encode())} bytes, expected at most {MAX_SOCKET_PATH}: the path"
            " of a socket has no more"
        )
    return path


def _tcp(text: str, key: str) -> TcpAddress:
    try:
        address = parse_tcp(text)
    except AddressError as error:
        raise _KeyError(f"{key}: found {found(text)}, {error}") from None
    if clean(text) != text or len(str(address).encode()) > MAX_RELAY_ADDRESS:
        raise _KeyError(
            f"{key}: found {found(text)}, expected at most {MAX_RELAY_ADDRESS} bytes of printable"
            " text"
        )
    return address
