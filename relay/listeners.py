"""shell. Opens the relay's listening sockets."""

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from daemons.unix_listener import clear
from protocol.address import TcpAddress, UnixAddress
from relay.socket_options import SocketOptions

STRANGERS_BUFFER: Final = 16 * 1024
"""Bytes that the kernel keeps of a validator that is not read; it doubles this. A transaction has
no more, and thousands of strangers may be held at once."""

SOCKET_MODE: Final = 0o666
"""Anybody may connect to a Unix listener; peer credentials say who may attach."""

DIRECTORY_MODE: Final = 0o755
"""Of a Unix listener's folder, where there is none yet: agents of other users must get in."""


Place = tuple[int, str | tuple[object, ...]]
"""A family and a socket's address in it: what bind(2) takes."""


def look_up(address: TcpAddress | UnixAddress) -> list[Place]:
    """What an address stands for; a host name may stand for several places.

    Only names are asked for, and nobody says how long the answer takes. Raises OSError.
    """
    if isinstance(address, UnixAddress):
        return [(socket.AF_UNIX, address.path)]
    infos = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return [(family, sockaddr) for family, _, _, _, sockaddr in dict.fromkeys(infos)]


def open_listener(
    places: Sequence[Place], options: SocketOptions, *, for_strangers: bool, beside: bool = False
) -> list[socket.socket]:
    """A listening socket for each of an address's places; `beside` those that are giving way.
    Raises OSError."""
    sockets: list[socket.socket] = []
    try:
        for family, where in places:
            sockets.append(
                _open_unix(where, options.backlog)
                if isinstance(where, str)
                else _open_tcp(family, where, options, for_strangers=for_strangers, beside=beside)
            )
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def place_of(sock: socket.socket) -> Place:
    """Where a socket listens."""
    return sock.family, sock.getsockname()


def is_at(sock: socket.socket, places: Sequence[Place]) -> bool:
    """Whether a listening socket is at one of `places`."""
    own_family, own = place_of(sock)
    for family, where in places:
        if own_family != family:
            continue
        if isinstance(own, str) and isinstance(where, str):
            if os.path.realpath(own) == os.path.realpath(where):
                return True
        elif own[:2] == where[:2]:
            return True
    return False


def has_its_name(sock: socket.socket) -> bool:
    """Whether others find it: somebody may have removed a Unix socket's file."""
    return sock.family != socket.AF_UNIX or os.path.exists(sock.getsockname())


def at_ports_of(sockets: Sequence[socket.socket], places: Sequence[Place]) -> list[socket.socket]:
    """Those of `sockets` that could be in the way of others at `places`."""
    ports = {where[1] for _, where in places if not isinstance(where, str)}
    return [x for x in sockets if x.family != socket.AF_UNIX and x.getsockname()[1] in ports]


@contextlib.contextmanager
def giving_way(old: Sequence[socket.socket]) -> Iterator[None]:
    """TCP listeners that will be closed: until then others of this user may open some at their
    ports.

    An address and the one for all addresses exclude each other, so that one could not be changed
    for the other without a moment in which nobody listens, or with nobody at all after a mistake.
    """
    for each in old:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for each in old:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _open_tcp(
    family: int,
    sockaddr: tuple[object, ...],
    options: SocketOptions,
    *,
    for_strangers: bool,
    beside: bool,
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, beside)
        _set_options(sock, options, for_strangers=for_strangers)
        if family == socket.AF_INET6:
            dual = sockaddr[0] == "::"
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.setblocking(False)
        sock.bind(sockaddr)
        sock.listen(options.backlog)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    except OSError:
        sock.close()
        raise
    return sock


def _set_options(sock: socket.socket, options: SocketOptions, *, for_strangers: bool) -> None:
    """Accepted sockets inherit these, which saves a system call for each."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_KEEPIDLE, options.keepalive_idle),
        (socket.TCP_KEEPINTVL, options.keepalive_interval),
        (socket.TCP_KEEPCNT, options.keepalive_count),
        (socket.TCP_USER_TIMEOUT, options.user_timeout * 1000),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if for_strangers:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, options.defer_accept)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STRANGERS_BUFFER)


def adapt(sock: socket.socket, options: SocketOptions, *, for_strangers: bool) -> None:
    """One that listens already, for connections from now on. Raises OSError."""
    if sock.family != socket.AF_UNIX:
        _set_options(sock, options, for_strangers=for_strangers)
    sock.listen(options.backlog)


def _open_unix(path: str, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.dirname(path), DIRECTORY_MODE)
        clear(Path(path))  # what is still there makes bind fail
        sock.setblocking(False)
        sock.bind(path)
        os.chmod(path, SOCKET_MODE)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def address_of(sock: socket.socket) -> TcpAddress | UnixAddress:
    """Where a socket listens."""
    name = sock.getsockname()
    return UnixAddress(name) if sock.family == socket.AF_UNIX else TcpAddress(name[0], name[1])
