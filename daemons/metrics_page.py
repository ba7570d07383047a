"""shell. The page with the metrics, over HTTP, for whoever may connect to its listener.

GET /metrics and nothing else: one request a connection, no name of a host looked at, no log line
for a stranger.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from socket import socket
from types import MappingProxyType
from typing import Final

import trio

from daemons.connections import serve_latest
from daemons.exposition import CONTENT_TYPE
from daemons.unix_listener import ListenError, unix_listener
from protocol.address import TcpAddress, UnixAddress, written

MODE: Final = 0o660
"""Of a Unix socket: its group may read the figures."""
MAX_HEAD: Final = 8 * 1024
"""Bytes of a request: Prometheus sends some 300."""
MOST_CONNECTIONS: Final = 4
"""At a time: one Prometheus, its spare, and an administrator. The oldest ends for a fifth."""
PATIENCE: Final = 5.0
"""Seconds for a request to come, and for the page to be taken."""

Page = Callable[[], Awaitable[bytes]]

_END: Final = b"\r\n\r\n"


@asynccontextmanager
async def metrics_listener(
    address: UnixAddress | TcpAddress | None, given: Mapping[Path, socket] = MappingProxyType({})
) -> AsyncIterator[trio.SocketListener | None]:
    """None where nobody wants metrics. `given` are sockets that somebody else listens on already,
    by path. Raises ListenError."""
    match address:
        case None:
            yield None
        case UnixAddress(path):
            async with unix_listener(Path(path), MODE, given.get(Path(path))) as listener:
                yield listener
        case TcpAddress(host, port):
            try:
                (tcp,) = await trio.open_tcp_listeners(port, host=host)
            except OSError as error:
                reason = error.strerror or str(error)
                raise ListenError(f"metrics.listen: {written(address)}: {reason}") from None
            async with tcp:
                yield tcp


async def serve_metrics(listener: trio.SocketListener, page: Page) -> None:
    """Until cancelled."""
    await serve_latest(listener, partial(_serve_one, page), MOST_CONNECTIONS)


async def _serve_one(page: Page, stream: trio.SocketStream) -> None:
    head = b""
    with trio.move_on_after(PATIENCE) as in_time:
        try:
            while _END not in head and len(head) <= MAX_HEAD:
                more = await stream.receive_some(MAX_HEAD)
                if not more:
                    return
                head += more
        except trio.BrokenResourceError:
            return
    if in_time.cancelled_caught:
        return
    answer = await _answer(page, head)
    with trio.move_on_after(PATIENCE):
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(answer)
            await stream.send_eof()


async def _answer(page: Page, head: bytes) -> bytes:
    words = head.partition(b"\r\n")[0].split(b" ")
    match words:
        case _ if _END not in head:
            return _reply("431 Request Header Fields Too Large")
        case [b"GET" | b"HEAD" as method, target, version] if version.startswith(b"HTTP/1."):
            if target.partition(b"?")[0] != b"/metrics":
                return _reply("404 Not Found")
            whole = _reply("200 OK", await page(), CONTENT_TYPE)
            return whole if method == b"GET" else whole.partition(_END)[0] + _END
        case [_, _, version] if version.startswith(b"HTTP/1."):
            return _reply("405 Method Not Allowed", more="Allow: GET, HEAD\r\n")
        case _:
            return _reply("400 Bad Request")


def _reply(status: str, body: bytes = b"", kind: str = "text/plain", *, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
