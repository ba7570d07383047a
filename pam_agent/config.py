"""edge. The agent's configuration file, TOML: read, checked, or refused with the place and why."""

import base64
import binascii
import re
import socket
import tomllib
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from pam_agent.conversation import Display
from pam_agent.policy import Timers
from pam_agent.settings import Config, Log, LogFormat, LogLevel, Relay
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

_T = TypeVar("_T")


class ConfigError(Exception):
    """The file cannot be used; the message names the file, the key and what is expected."""


class _RelayTable(Struct, forbid_unknown_fields=True):
    link: str
    validators: list[str]
    key: str | None = None


class _ServiceTable(Struct, forbid_unknown_fields=True):
    display: Display


class _LogTable(Struct, forbid_unknown_fields=True):
    format: LogFormat | None = None
    level: LogLevel = LogLevel.INFO


class _File(Struct, forbid_unknown_fields=True):
    """The whole file. What is missing is the embedded default: a relay on the same machine."""

    host: str | None = None
    state: str = "/var/lib/bartizan-agent"
    socket: str = "/run/bartizan-agent/pam.sock"
    admin_socket: str = "/run/bartizan-agent/admin.sock"
    relays: list[_RelayTable] | None = None
    timers: Timers = msgspec.field(default_factory=Timers)
    callers: dict[str, object] = msgspec.field(default_factory=dict)
    services: dict[str, object] = msgspec.field(default_factory=dict)
    log: _LogTable = msgspec.field(default_factory=_LogTable)


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
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: not TOML: nested too deep") from None
    try:
        return _config(_convert(table, _File, ""))
    except _KeyError as error:
        raise ConfigError(f"{where}: {error}") from None


class _KeyError(Exception):
    """`key: what is wrong`."""


def _config(file: _File) -> Config:
    host = socket.gethostname() if file.host is None else file.host
    if not host or clean(host) != host or len(host.encode()) > MAX_HOST:
        raise _KeyError(f"host: expected 1 to {MAX_HOST} bytes of printable text")
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
        callers={
            name: tuple(_convert(value, list[str], f"callers.{name}"))
            for name, value in file.callers.items()
        },
        services={
            name: _convert(value, _ServiceTable, f"services.{name}").display
            for name, value in file.services.items()
        },
        log=Log(file.log.format, file.log.level),
    )
    if not relays:
        raise _KeyError("relays: expected at least one [[relays]] table, or none for the default")
    if len({relay.link for relay in relays}) != len(relays):
        raise _KeyError("relays: two tables have the same link")
    if len(config.validators) > MAX_RELAYS:
        raise _KeyError(
            f"relays: found {len(config.validators)} addresses for validators in all,"
            f" expected at most {MAX_RELAYS}: an enrolment code has to be typeable"
        )
    return config


def _local_relay(host: str) -> Relay:
    return Relay(
        UnixAddress("/run/bartizan-relay/agents.sock"),
        None,
        (TcpAddress(host, VALIDATOR_PORT),),
    )


def _relay(table: _RelayTable, key: str) -> Relay:
    try:
        link = parse_address(table.link)
    except AddressError as error:
        raise _KeyError(f"{key}.link: {error}") from None
    if isinstance(link, UnixAddress):
        _socket(link.path, f"{key}.link")
        if table.key is not None:
            raise _KeyError(f"{key}.key: only for tcp: on a Unix socket the system vouches")
    if not table.validators:
        raise _KeyError(f"{key}.validators: expected at least one host:port")
    return Relay(
        link,
        _public_key(table.key, f"{key}.key") if isinstance(link, TcpAddress) else None,
        tuple(_tcp(each, f"{key}.validators[{n}]") for n, each in enumerate(table.validators)),
    )


def _public_key(text: str | None, key: str) -> bytes:
    expected = f"base64 of {KEY_LENGTH} bytes, as `bartizan-relay public-key` prints it"
    if text is None:
        raise _KeyError(f"{key}: missing, expected {expected}")
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _KeyError(f"{key}: not base64, expected {expected}") from None
    if len(raw) != KEY_LENGTH:
        raise _KeyError(f"{key}: found {len(raw)} bytes, expected {expected}")
    return raw


def _absolute(text: str, key: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or "\0" in text:
        raise _KeyError(f"{key}: expected an absolute path")
    return path


def _socket(text: str, key: str) -> Path:
    path = _absolute(text, key)
    if len(text.encode()) > MAX_SOCKET_PATH:
        raise _KeyError(f"{key}: the path of a socket has at most {MAX_SOCKET_PATH} bytes")
    return path


def _tcp(text: str, key: str) -> TcpAddress:
    try:
        address = parse_tcp(text)
    except AddressError as error:
        raise _KeyError(f"{key}: {error}") from None
    if clean(text) != text or len(str(address).encode()) > MAX_RELAY_ADDRESS:
        raise _KeyError(f"{key}: expected at most {MAX_RELAY_ADDRESS} bytes of printable text")
    return address


def _convert(value: object, kind: type[_T], prefix: str) -> _T:
    """`value` as `kind`, found at the key `prefix`. Raises _KeyError."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _KeyError(_in_words(str(error), prefix)) from None


_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>.*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>.*)`")
_ENUM: Final = re.compile(r"Invalid enum value (?P<value>.*)")


def _in_words(message: str, prefix: str) -> str:
    """msgspec's message and JSON path as `key: what is wrong`."""
    what, _, path = message.partition(" - at `$")
    key = (prefix + path.removesuffix("`")).lstrip(".")
    if found := _UNKNOWN.fullmatch(what):
        return f"{_join(key, found['field'])}: unknown key"
    if found := _MISSING.fullmatch(what):
        return f"{_join(key, found['field'])}: missing"
    if found := _ENUM.fullmatch(what):
        return f"{key}: {found['value']} is none of the values it can have"
    return f"{key}: {what[:1].lower()}{what[1:].replace('`', '')}"


def _join(key: str, field: str) -> str:
    return f"{key}.{field}" if key else field
