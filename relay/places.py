"""pure. The places of a configuration's sockets: each can be, and is for one purpose."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from daemons.key_types import found
from protocol.address import TcpAddress, UnixAddress, written

MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path on Linux (unix(7): sun_path, with its NUL)."""


def wrong_place(named: Iterable[tuple[str, TcpAddress | UnixAddress]]) -> str:
    """What is wrong with the addresses of these keys; empty if nothing is."""
    known: dict[object, str] = {}
    for key, address in named:
        place: object = address
        if isinstance(address, UnixAddress):
            size = len(address.path.encode())
            if size > MAX_SOCKET_PATH:
                return (
                    f"{key}: found {size} bytes, expected at most {MAX_SOCKET_PATH}: the path of a"
                    " socket has no more"
                )
            place = PurePosixPath(address.path)
        other = known.setdefault(place, key)
        if other != key:
            return f"{key}: found {found(written(address))}, which is that of {other}, too"
    return ""
