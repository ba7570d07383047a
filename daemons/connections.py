"""shell. Connections of a listener, a bounded number at a time.

Trio's own `serve_listeners` has no bound, and logs a traceback when descriptors run out.
"""

import errno
from collections.abc import Awaitable, Callable
from typing import Final

import trio

ACCEPT_PAUSE: Final = 0.1
"""Seconds of rest when the system has no descriptor or memory for another connection."""

EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""The errors that say so."""


async def serve_connections(
    listener: trio.SocketListener,
    serve_one: Callable[[trio.SocketStream], Awaitable[None]],
    most: int,
) -> None:
    """Run `serve_one` for each connection, at most `most` at a time; further ones wait."""
    room = trio.Semaphore(most)

    async def serve(stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await serve_one(stream)
        finally:
            room.release()

    async with trio.open_nursery() as nursery:
        while True:
            await room.acquire()
            nursery.start_soon(serve, await _accept(listener))


async def serve_latest(
    listener: trio.SocketListener,
    serve_one: Callable[[trio.SocketStream], Awaitable[None]],
    most: int,
) -> None:
    """Run `serve_one` for each connection; when there are `most`, the oldest ends for the next.

    For what anybody on the machine may connect to, and is over at once for who means it: others
    keep nobody waiting, however many of them say nothing.
    """
    scopes: dict[trio.CancelScope, None] = {}

    async def serve(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        with scope:
            async with stream:
                await serve_one(stream)
        scopes.pop(scope, None)

    async with trio.open_nursery() as nursery:
        while True:
            stream = await _accept(listener)
            if len(scopes) == most:
                oldest = next(iter(scopes))
                del scopes[oldest]
                oldest.cancel()
            scope = trio.CancelScope()
            scopes[scope] = None
            nursery.start_soon(serve, stream, scope)


async def _accept(listener: trio.SocketListener) -> trio.SocketStream:
    while True:
        try:
            return await listener.accept()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
        await trio.sleep(ACCEPT_PAUSE)
