"""edge. Where a log goes, without waiting for it: what is not taken at once is dropped and counted.

A reader that is stuck, a terminal that is stopped, a full disk, a journal that is away: none of
them may hold up a daemon. A file on a disk that does not answer can; there is no way around it.
"""

import contextlib
import os
import select
import socket
import stat
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from daemons.journal import ADDRESS, is_journal

STANDARD_ERROR: Final = 2

SEND_BUFFER: Final = 8 * 1024 * 1024
"""Bytes on their way to the journal: what its own library asks for."""


class Sink(Protocol):
    """`dropped` is how many events were lost so far."""

    dropped: int

    def write(self, data: bytes, count: int = 1) -> None:
        """`count` events, as whole lines or entries of the journal. Never waits, raises nothing."""
        ...

    def close(self) -> None: ...


def goes_to_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether the journal reads the descriptor."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    stream = environment.get("JOURNAL_STREAM", "")
    return is_journal(stream, status.st_dev, status.st_ino)


class StreamSink:
    """Lines to a descriptor of any kind, which is left as it is: others may share it."""

    def __init__(self, descriptor: int, lost: Callable[[int], bytes]) -> None:
        """`lost` makes the line that says how many were dropped, once there is room again."""
        self.dropped = 0
        self._lost: Final = lost
        self._told = 0
        self._rest = b""
        self._opened: Final = contextlib.ExitStack()
        self._put: Final = _putter(descriptor, self._opened)

    def close(self) -> None:
        """Not the descriptor that it was given."""
        self._opened.close()

    def write(self, data: bytes, count: int = 1) -> None:
        if not self._finish_last():
            self.dropped += count
            return
        if self.dropped > self._told:
            told, line = self.dropped, self._lost(self.dropped - self._told)
            if self._start(line):
                self._told = told
        if self._rest or not self._start(data):
            self.dropped += count

    def _finish_last(self) -> bool:
        """Whether what was begun last is whole: no line gets into another."""
        return not self._rest or (self._start(self._rest) and not self._rest)

    def _start(self, data: bytes) -> bool:
        """Whether it is on its way; what did not fit any more comes before anything else."""
        try:
            written = self._put(data)
        except OSError:
            return False
        self._rest = data[written:]
        return True


def _putter(descriptor: int, opened: contextlib.ExitStack) -> Callable[[bytes], int]:
    """What writes some of it at once, or raises OSError."""
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):
        own = opened.enter_context(socket.socket(fileno=os.dup(descriptor)))
        return lambda data: own.send(data, socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(kind) or os.isatty(descriptor):
        try:
            # O_NONBLOCK is a property of what is opened, which others share: open it once more.
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_APPEND
            again = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:  # another user's terminal, or no reader
            return lambda data: _put_if_ready(descriptor, data)
        opened.callback(os.close, again)
        return lambda data: os.write(again, data)
    return lambda data: os.write(descriptor, data)


def _put_if_ready(descriptor: int, data: bytes) -> int:
    """For a descriptor that would wait: as much as poll(2) promises room for."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    return os.write(descriptor, data[: select.PIPE_BUF])


class JournalSink:
    """Entries to the journal's native socket, several in a datagram if they come at once."""

    def __init__(self, lost: Callable[[int], bytes], address: str = ADDRESS) -> None:
        """`lost` makes the entry that says how many were dropped, once there is room again."""
        self.dropped = 0
        self._lost: Final = lost
        self._told = 0
        self._address: Final = address
        self._socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        # As much as the system allows, which is twice as much as it gives by itself.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def close(self) -> None:
        self._socket.close()

    def write(self, data: bytes, count: int = 1) -> None:
        if self.dropped > self._told and self._send(self._lost(self.dropped - self._told)):
            self._told = self.dropped
        if not self._send(data):
            self.dropped += count

    def _send(self, entry: bytes) -> bool:
        try:
            self._socket.sendto(entry, self._address)
        except OSError:
            return False
        return True
