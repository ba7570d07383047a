"""shell. Unix sockets that a daemon listens on: their file, its mode, and who is at the other end.

The mode is set before the socket's name exists, so there is no moment with a wider one.
"""

import os
import socket
import stat
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

BACKLOG: Final = 128
"""Connections that the kernel holds while the daemon is busy."""

_CREDENTIALS: Final = struct.Struct("iII")


class ListenError(Exception):
    """The socket cannot be listened on; the message is for the operator."""


@asynccontextmanager
async def unix_listener(
    path: Path, mode: int, given: socket.socket | None = None
) -> AsyncIterator[trio.SocketListener]:
    """Listen on `path` with `mode`; its file goes when the listener goes. Raises ListenError.

    `given` is a socket that somebody else listens on already: then its file and mode are theirs.
    """
    if given is not None:
        async with trio.SocketListener(trio.socket.from_stdlib_socket(given)) as listener:
            yield listener
        return
    try:
        listening, identity = _listen(path, mode)
    except OSError as error:
        raise ListenError(
            f"{path}: cannot listen: {error.strerror or error}; does {path.parent} exist and may"
            f" uid {os.geteuid()} write to it?"
        ) from error
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    try:
        yield listener
    finally:
        _remove(path, identity)
        listener.socket.close()


def _listen(path: Path, mode: int) -> tuple[socket.socket, tuple[int, int]]:
    if taken := clear(path):
        raise ListenError(f"{path}: {taken}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux takes the mode for the name from the descriptor, less the umask.
        os.fchmod(listening.fileno(), mode)
        listening.bind(str(path))
        path.chmod(mode)
        listening.listen(BACKLOG)
        status = path.lstat()
    except BaseException:
        listening.close()
        raise
    return listening, (status.st_dev, status.st_ino)


def clear(path: Path) -> str:
    """Remove the name that a dead daemon left behind. Why there is still one; empty if there is
    none. Raises OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISSOCK(status.st_mode):
        return "exists and is no socket: move it away"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return ""
        except BlockingIOError:  # its backlog is full: somebody is there
            pass
    return "somebody listens there already"


def _remove(path: Path, identity: tuple[int, int]) -> None:
    """Remove our own name; that of a successor has another inode and stays."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if (status.st_dev, status.st_ino) == identity:
        path.unlink()


def peer_uid(stream: trio.SocketStream) -> int:
    """The uid of the process at the other end when it connected (SO_PEERCRED, unix(7))."""
    raw = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])
