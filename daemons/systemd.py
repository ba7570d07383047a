"""edge. The service manager at work: its variables taken, its sockets taken over, itself informed.

Only the standard library and Trio. Nothing here waits for the manager for long, and a manager that
does not listen stops nothing.
"""

import os
import socket
import stat
from array import array
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Final

import structlog
import trio

from daemons.supervision import (
    VARIABLES,
    Supervision,
    SupervisionError,
    alive,
    status_is,
    supervision,
)

TELL_SECONDS: Final = 5.0
"""For the manager to take a message: it may be busy with the start of a whole machine."""

STATUS_SECONDS: Final = 2.0
"""Between looks at whether the status has changed."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def take(environment: MutableMapping[str, str] = os.environ) -> Supervision:
    """What the manager says; its variables are gone then. Raises SupervisionError."""
    try:
        return supervision(environment, os.getpid())
    finally:
        for variable in VARIABLES:
            environment.pop(variable, None)


class Manager:
    """Whom to inform; without a service manager everything here does nothing."""

    def __init__(self, told: Supervision) -> None:
        self._told: Final = told
        self._heard = True
        self._last_status = ""

    async def tell(self, message: bytes) -> None:
        """Send it, waiting at most TELL_SECONDS. A failure is logged once, and is no error."""
        if self._told.notify is None:
            return
        try:
            with trio.fail_after(TELL_SECONDS):
                await send(self._told.notify, message)
        except (OSError, trio.TooSlowError) as error:
            if self._heard:
                reason = str(error) or "it takes no message"
                _log.warning("service manager not informed", reason=reason)
            self._heard = False
        else:
            self._heard = True

    async def keep_informed(
        self,
        status: Callable[[], str],
        works: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        """Tell signs of life and each new status, until cancelled.

        It is this event loop that lives: one that hangs is silent, and the watchdog ends it. So is
        one in which `works` does not return.
        """
        if self._told.notify is None:
            return
        watchdog = self._told.watchdog
        beat = STATUS_SECONDS if watchdog is None else min(STATUS_SECONDS, watchdog / 2)
        next_sign = trio.current_time()
        while True:
            message = b""
            if watchdog is not None and trio.current_time() >= next_sign:
                await works()
                next_sign = trio.current_time() + watchdog / 2
                message += alive()
            text = status()
            if text != self._last_status:
                self._last_status = text
                message += status_is(text)
            if message:
                await self.tell(message)
            await trio.sleep(beat)


async def send(address: str, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """A socket for each: the manager may be another one after its upgrade. Raises OSError."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))]
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        await out.connect(address)
        await out.sendmsg([message], rights if descriptors else [])


def listening_socket(
    descriptor: int, name: str, families: Sequence[int] = (socket.AF_UNIX,)
) -> socket.socket:
    """The descriptor, if it is a listening stream socket of one of `families`, a Unix one with a
    path; else SupervisionError.

    Closed on exec, and non-blocking, from then on.
    """
    what = f"descriptor {descriptor} ({name}) of the service manager"
    try:
        os.set_inheritable(descriptor, False)
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError as error:
        raise SupervisionError(f"{what}: {error.strerror}") from None
    if not is_socket:
        raise SupervisionError(f"{what}: found no socket, expected ListenStream=")
    found = socket.socket(fileno=descriptor)
    if problem := _problem(found, families):
        found.close()
        raise SupervisionError(f"{what}: {problem}")
    found.setblocking(False)
    return found


def _problem(found: socket.socket, families: Sequence[int]) -> str:
    """Why it is no such listening socket; empty when it is one."""
    expected = "expected ListenStream= with a path"
    if socket.AF_INET in families:
        expected += " or a port"
    if found.family not in families or found.type != socket.SOCK_STREAM:
        family, kind = (getattr(each, "name", each) for each in (found.family, found.type))
        return f"found a socket of {family} and {kind}, {expected}"
    if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "found a connection, expected a listener (Accept=no)"
    name = found.getsockname()
    if found.family != socket.AF_UNIX:
        return ""
    if not isinstance(name, str) or not name.startswith("/"):
        return f"found a socket without a name in the file system, {expected}"
    return ""
