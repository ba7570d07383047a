"""shell. Opens the relay's listening sockets."""

import contextlib
import os
import socket
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


def open_listener(
    address: TcpAddress | UnixAddress, options: SocketOptions, *, for_strangers: bool
) -> list[socket.socket]:
    """The listening sockets for one address (a host name may have several). Raises OSError."""
    if isinstance(address, UnixAddress):
        return [_open_unix(address.path, options.backlog)]
    sockets: list[socket.socket] = []
    try:
        for family, sockaddr in _found(address):
            sockets.append(_open_tcp(family, sockaddr, options, for_strangers=for_strangers))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def is_at(sock: socket.socket, address: TcpAddress | UnixAddress) -> bool:
    """Whether a listening socket is one that `address` stands for. Raises OSError."""
    name = sock.getsockname()
    if isinstance(address, UnixAddress):
        return sock.family == socket.AF_UNIX and os.path.realpath(name) == os.path.realpath(
            address.path
        )
    return any(
        sock.family == family and name[:2] == sockaddr[:2] for family, sockaddr in _found(address)
    )


def _found(address: TcpAddress) -> list[tuple[int, tuple[object, ...]]]:
    infos = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return [(family, sockaddr) for family, _, _, _, sockaddr in dict.fromkeys(infos)]


def _open_tcp(
    family: int, sockaddr: tuple[object, ...], options: SocketOptions, *, for_strangers: bool
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _set_options(sock, options, for_strangers=for_strangers)
        if family == socket.AF_INET6:
            dual = sockaddr[0] == "::"
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.setblocking(False)
        sock.bind(sockaddr)
        sock.listen(options.backlog)
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
