"""edge. What the service manager hands over: listeners of its own, and what a relay before left.

Both are told apart by the descriptors' names; which listener is which, by where it listens.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from daemons.supervision import Supervision
from daemons.systemd import listening_socket
from protocol.address import TcpAddress, UnixAddress
from relay.config import ConfigError, Plan
from relay.listeners import (
    Place,
    adapt,
    address_of,
    at_ports_of,
    giving_way,
    has_its_name,
    is_at,
    look_up,
    open_listener,
)
from relay.switch import Listener

KEPT_STATE: Final = "bartizan.state"
KEPT_CONNECTION: Final = "c"
KEPT_LISTENER: Final = "bartizan.listener."
"""Names in the manager's store. Behind a listener's is its number, so that it can be forgotten. The
name of connections is short, since the next process gets it as often as there are any."""

MAX_STATE: Final = 256 * 1024 * 1024
"""Bytes: a hundred thousand requests are a tenth of it."""

_FAMILIES: Final = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


@dataclass
class Given:
    """What this process has been handed. Whatever it does not use, it closes."""

    activated: list[socket.socket] = field(default_factory=list)
    """Listeners of the manager's own, which the configuration has to know."""
    listeners: list[socket.socket] = field(default_factory=list)
    """Those of the relay before."""
    connections: dict[int, socket.socket] = field(default_factory=dict)
    """Those of the relay before, by their number."""
    state: bytes = b""
    """What is said of them, empty if nothing is."""
    numbers: set[int] = field(default_factory=set)
    """Those of all listeners, which the manager has anyhow."""


def socket_number(descriptor: int) -> int:
    """Of the socket, not of the descriptor: the same in each process that has it."""
    return os.fstat(descriptor).st_ino


def listener_name(listening: socket.socket) -> str:
    """In the manager's store."""
    return f"{KEPT_LISTENER}{socket_number(listening.fileno())}"


def given(told: Supervision) -> Given:
    """Sort out the descriptors. Raises SupervisionError for a listener that is none."""
    found = Given()
    for descriptor, name in told.descriptors:
        if name == KEPT_STATE:
            found.state = _content(descriptor)
        elif name == KEPT_CONNECTION:
            connection = socket.socket(fileno=descriptor)
            os.set_inheritable(descriptor, False)
            found.connections[socket_number(descriptor)] = connection
        else:
            listener = listening_socket(descriptor, name, _FAMILIES)
            found.numbers.add(socket_number(descriptor))
            kept = name.startswith(KEPT_LISTENER)
            (found.listeners if kept else found.activated).append(listener)
    return found


def _content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read(MAX_STATE)


Places = Mapping[TcpAddress | UnixAddress, Sequence[Place]]
"""What addresses stand for."""


def look_up_all(plan: Plan, known: Places = MappingProxyType({})) -> Places:
    """Where `plan` listens. Names in `known` are not asked for again; for others it may take long.
    Raises ConfigError."""
    places: dict[TcpAddress | UnixAddress, Sequence[Place]] = {}
    for each in plan.listeners:
        address = each.address
        try:
            places[address] = known.get(address) or look_up(address)
        except OSError as error:
            raise _cannot_listen(address, error) from None
    return places


def open_listeners(
    plan: Plan, found: Given | None = None, places: Places | None = None
) -> list[Listener]:
    """Those of `plan`: the ones that were handed over, and the rest opened here.

    What `found` has left of its listeners then is no longer wanted. Without `places` the names are
    looked up here. Raises ConfigError for an address that cannot be listened on, and for a listener
    of the manager's that `plan` has not.
    """
    found = found or Given()
    places = look_up_all(plan) if places is None else places
    listeners: list[Listener] = []
    opened: list[socket.socket] = []
    taken: list[socket.socket] = []
    pool = [*found.activated, *(each for each in found.listeners if has_its_name(each))]
    goes = [x for x in found.listeners if not any(is_at(x, where) for where in places.values())]
    try:
        for wanted in plan.listeners:
            where = places[wanted.address]
            sockets = [x for x in pool if x not in taken and is_at(x, where)]
            taken += sockets
            if not sockets:
                in_the_way = at_ports_of(goes, where)
                try:
                    with giving_way(in_the_way):
                        sockets = open_listener(
                            where,
                            plan.sockets,
                            for_strangers=wanted.trusted is None,
                            beside=bool(in_the_way),
                        )
                except OSError as error:
                    raise _cannot_listen(wanted.address, error) from None
                opened += sockets
            listeners += [
                Listener(each, wanted.trusted, wanted.proxies, wanted.address) for each in sockets
            ]
        _all_are_known(found.activated, taken)
        for each in listeners:
            if each.socket in taken:
                adapt(each.socket, plan.sockets, for_strangers=each.trusted is None)
    except (ConfigError, OSError):
        close_all(opened)
        raise
    found.activated = [each for each in found.activated if each not in taken]
    found.listeners = [each for each in found.listeners if each not in taken]
    return listeners


def _cannot_listen(address: TcpAddress | UnixAddress, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {address}: {error.strerror or error}")


def _all_are_known(activated: Sequence[socket.socket], taken: Sequence[socket.socket]) -> None:
    for sock in activated:
        if sock not in taken:
            raise ConfigError(
                f"{address_of(sock)}: the service manager listens there, but the configuration"
                " does not: make ListenStream= and `listen` the same"
            )


def close_all(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
