"""edge. The relay's configuration: one TOML file, every key optional, and an embedded default."""

import contextlib
import ipaddress
import os
import pwd
import socket
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from daemons.key_types import found
from daemons.log_settings import Log
from daemons.opening import at_once
from daemons.tables import mistakes
from protocol.address import AddressError, TcpAddress, UnixAddress, parse
from relay.config_file import AgentsListener, Config, ValidatorsListener
from relay.keys import KeyFileError, load_agents, load_private_key
from relay.limits import Limits
from relay.places import wrong_place
from relay.proxies import Network, Proxies, parse_network
from relay.socket_options import SocketOptions

DEFAULT_FILE: Final = Path("/etc/bartizan/relay.toml")
DEFAULT_KEY: Final = Path("/etc/bartizan/relay.key")
KEY_CREDENTIAL: Final = "relay.key"
"""The service manager's credential that takes the default's place (LoadCredential=)."""
DEFAULT_DIRECTORY: Final = Path("/run/bartizan-relay")
"""Of the admin socket, where no agent attaches by a Unix socket."""
AGENT_USER: Final = "bartizan-agent"
"""Whom the host's own agent runs as, where it comes from a package."""


_BYTE_ORDER_MARK: Final = "\ufeff"


class ConfigError(Exception):
    """The configuration cannot be used; a line for each mistake names file, key, what was found
    and what is expected."""


@dataclass(frozen=True)
class ListenerPlan:
    """One listener to open. `trusted` is None for validators, `proxies` is empty without any."""

    address: TcpAddress | UnixAddress
    trusted: frozenset[int] | None
    proxies: Proxies = ()


@dataclass(frozen=True)
class Plan:
    """A configuration made ready: addresses parsed, key files read."""

    listeners: tuple[ListenerPlan, ...]
    key: X25519PrivateKey
    agents: dict[bytes, str]
    limits: Limits
    sockets: SocketOptions
    log: Log
    admin_socket: Path | None = None
    metrics: TcpAddress | UnixAddress | None = None
    lowered: Mapping[str, int] = field(default_factory=dict)
    """Limits for which there are too few descriptors, and what they are now."""

    @property
    def trusted(self) -> frozenset[int]:
        """The uids that may attach on any Unix listener."""
        return frozenset().union(
            *(
                listener.trusted or ()
                for listener in self.listeners
                if isinstance(listener.address, UnixAddress)
            )
        )


def load(path: Path | None) -> Config:
    """The file, or the embedded default when there is none. Raises ConfigError."""
    file = path or DEFAULT_FILE
    try:
        with open(file, encoding="utf-8", opener=at_once) as opened:
            text = opened.read()
        if text.startswith(_BYTE_ORDER_MARK):
            raise ConfigError(
                f"{file}: not TOML: it begins with a byte order mark; save it without"
            )
        table = tomllib.loads(text)
    except FileNotFoundError:
        if path is None:
            return default()
        raise ConfigError(f"{file}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot read the configuration: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    except ValueError:  # Python makes no number of so many digits
        raise ConfigError(f"{file}: not TOML: a number has thousands of digits") from None
    except RecursionError:
        raise ConfigError(f"{file}: not TOML: nested too deep") from None
    if wrong := mistakes(table, Config):
        raise ConfigError("\n".join(f"{file}: {each}" for each in wrong))
    try:
        config = _with_default_listeners(msgspec.convert(table, Config), table)
        _paths(config)
        listeners = _listeners(config)
        config = _with_admin_socket(config, file)
        _places(config, listeners)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return config


def _places(config: Config, listeners: Sequence[ListenerPlan]) -> None:
    """Each socket has one, and its own."""
    keys = [f"agents[{number}].listen" for number in range(len(config.agents))]
    keys += [f"validators[{number}].listen" for number in range(len(config.validators))]
    named = [
        *zip(keys, (each.address for each in listeners), strict=True),
        ("admin_socket", UnixAddress(config.admin_socket)),
    ]
    if (metrics := _metrics(config.metrics.listen)) is not None:
        named.append(("metrics.listen", metrics))
    if wrong := wrong_place(named):
        raise ConfigError(wrong)


def _paths(config: Config) -> None:
    for key in ("key", "agents_file", "admin_socket"):
        text = getattr(config, key)
        if not text.isprintable():
            raise ConfigError(f"{key}: found {found(text)}, expected a path, printable")


def _with_default_listeners(config: Config, given: Mapping[str, object]) -> Config:
    """Of the two lists, the ones that the file does not have; an empty one stays empty."""
    own = default()
    return msgspec.structs.replace(
        config,
        agents=config.agents if "agents" in given else own.agents,
        validators=config.validators if "validators" in given else own.validators,
    )


def _admin_socket_name(file: Path) -> str:
    return f"{file.stem}-admin.sock"


def _with_admin_socket(config: Config, file: Path) -> Config:
    """Where the file says nothing, one of its own, so that no two relays of a host share it."""
    if config.admin_socket:
        if not config.admin_socket.startswith("/"):
            raise ConfigError(f"admin_socket: found {found(config.admin_socket)}, expected /path")
        return config
    addresses = [_address(each.listen, "agents.listen") for each in config.agents]
    beside = [Path(each.path).parent for each in addresses if isinstance(each, UnixAddress)]
    chosen = next(iter(beside), DEFAULT_DIRECTORY) / _admin_socket_name(file)
    return msgspec.structs.replace(config, admin_socket=str(chosen))


def default() -> Config:
    """For a relay and an agent on one host: links by Unix socket, validators on every address."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() != 0 else None
    directory = f"{runtime or '/run'}/bartizan-relay"
    every = "[::]" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - its purpose
    return Config(
        agents=[AgentsListener(f"unix:{directory}/agents.sock")],
        validators=[ValidatorsListener(f"tcp:{every}:4817")],
        admin_socket=f"{directory}/{_admin_socket_name(DEFAULT_FILE)}",
    )


def plan(config: Config) -> Plan:
    """Parse addresses and read key files. Raises ConfigError."""
    listeners = _listeners(config)
    by_key = any(
        isinstance(listener.address, TcpAddress) and listener.trusted is not None
        for listener in listeners
    )
    try:
        key = load_private_key(_key_file(config.key)) if by_key else X25519PrivateKey.generate()
        known = load_agents(Path(config.agents_file)) if by_key else {}
    except KeyFileError as error:
        raise ConfigError(str(error)) from None
    return Plan(
        listeners,
        key,
        known,
        config.limits,
        config.sockets,
        config.log,
        Path(config.admin_socket) if config.admin_socket else None,
        _metrics(config.metrics.listen),
    )


def _metrics(text: str | None) -> TcpAddress | UnixAddress | None:
    if text is None:
        return None
    with contextlib.suppress(ValueError):  # AddressError is one, and so is what is no address
        address = parse(text)
        if isinstance(address, UnixAddress) or ipaddress.ip_address(address.host).is_loopback:
            return address
    raise ConfigError(
        f"metrics.listen: found {found(text)}, expected unix:/path or tcp:127.0.0.1:PORT"
    )


def _key_file(named: str) -> Path:
    """Where the private key is. Raises ConfigError for a credential when there are none."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not named:
        given = Path(credentials or "/nonexistent") / KEY_CREDENTIAL
        return given if os.path.exists(given) else DEFAULT_KEY  # also where nobody may look
    if "/" in named:
        return Path(named)
    if credentials is None:
        raise ConfigError(
            f"key: found {named!r}, a credential's name, but the service manager has passed none; "
            "expected a path, or LoadCredential= in the unit"
        )
    return Path(credentials) / named


def _listeners(config: Config) -> tuple[ListenerPlan, ...]:
    if not config.agents or not config.validators:
        raise ConfigError("at least one [[agents]] and one [[validators]] are needed")
    listeners: list[ListenerPlan] = []
    for number, agents in enumerate(config.agents):
        where = f"agents[{number}]"
        address = _address(agents.listen, f"{where}.listen")
        if isinstance(address, TcpAddress) and agents.uids is not None:
            raise ConfigError(f"{where}.uids: found with a tcp listener, expected with unix only")
        if isinstance(address, UnixAddress) and agents.proxy_from is not None:
            raise ConfigError(
                f"{where}.proxy_from: found with a unix listener, expected with tcp only"
            )
        trusted = default_uids() if agents.uids is None else frozenset(agents.uids)
        proxies = _proxies(agents.proxy_from, f"{where}.proxy_from")
        listeners.append(ListenerPlan(address, trusted, proxies))
    for number, validators in enumerate(config.validators):
        where = f"validators[{number}]"
        address = _address(validators.listen, f"{where}.listen")
        if isinstance(address, UnixAddress):
            raise ConfigError(
                f"{where}.listen: found {found(validators.listen)}, expected tcp:host:port"
            )
        proxies = _proxies(validators.proxy_from, f"{where}.proxy_from")
        listeners.append(ListenerPlan(address, None, proxies))
    return tuple(listeners)


def _proxies(texts: list[str] | None, where: str) -> Proxies:
    if texts == []:
        raise ConfigError(f"{where}: found nobody, expected a proxy, or no key where there is none")
    proxies: list[Network] = []
    for number, text in enumerate(texts or ()):
        try:
            proxies.append(parse_network(text))
        except AddressError as error:
            raise ConfigError(f"{where}[{number}]: found {found(text)}, {error}") from None
    return tuple(proxies)


def default_uids() -> frozenset[int]:
    """Who may attach on a Unix listener that does not say: root, the relay's user, the agent's."""
    uids = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        uids.add(pwd.getpwnam(AGENT_USER).pw_uid)
    return frozenset(uids)


def _address(text: str, where: str) -> TcpAddress | UnixAddress:
    try:
        return parse(text)
    except AddressError as error:
        raise ConfigError(f"{where}: found {found(text)}, {error}") from None
