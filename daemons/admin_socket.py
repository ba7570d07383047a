"""shell. An admin socket's connections: what a command line asks of the running daemon.

Only root and the daemon's own user are heard. One request per connection.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
import trio
from msgspec import Struct

from daemons.lines import MAX_LINE, AdminWireError, encode_line
from daemons.unix_listener import peer_uid

MODE: Final = 0o600
MOST_CONNECTIONS: Final = 8
"""At a time: administrators are few, and each may hold one for as long as an enrolment lasts."""
LINE_SECONDS: Final = 5.0
"""For a request to arrive, and for a reply to be taken: the other end is on this machine."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_Request = TypeVar("_Request")


class CallerGoneError(Exception):
    """The command line went away or does not read."""


async def serve_caller(
    stream: trio.SocketStream,
    decode: Callable[[bytes], _Request],
    answer: Callable[[_Request, trio.SocketStream, trio.CancelScope], Awaitable[Struct]],
) -> None:
    """One connection, from its request to its last reply, which `answer` returns.

    What it said before that it sent by itself. Its scope is cancelled when the caller goes away.
    """
    uid = peer_uid(stream)
    if uid not in (0, os.geteuid()):
        _log.warning("admin request refused", uid=uid)
        return
    try:
        request = decode(await _receive_line(stream))
    except AdminWireError as error:
        _log.warning("admin request refused", uid=uid, reason=str(error))
        return
    except CallerGoneError:
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_closed, stream, nursery.cancel_scope)
        try:
            last = await answer(request, stream, nursery.cancel_scope)
            await send_line(stream, last)
        except CallerGoneError:
            pass
        nursery.cancel_scope.cancel()


async def send_line(stream: trio.SocketStream, reply: Struct) -> None:
    """Raises CallerGoneError."""
    try:
        with trio.fail_after(LINE_SECONDS):
            await stream.send_all(encode_line(reply))
    except (trio.BrokenResourceError, trio.TooSlowError):
        raise CallerGoneError from None


async def _cancel_when_closed(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Whatever comes behind the request ends it: the end of the stream, or what no caller sends."""
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.receive_some(1)
    scope.cancel()


async def _receive_line(stream: trio.SocketStream) -> bytes:
    """One line with its newline. Raises AdminWireError, or CallerGoneError when none came."""
    line = b""
    with trio.move_on_after(LINE_SECONDS):
        while not line.endswith(b"\n") and len(line) <= MAX_LINE:
            try:
                more = await stream.receive_some(MAX_LINE + 1 - len(line))
            except trio.BrokenResourceError:
                raise CallerGoneError from None
            if not more:
                raise CallerGoneError
            line += more
        return line
    raise AdminWireError("no whole line in time")
