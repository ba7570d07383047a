import http.client
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from daemons.exposition import CONTENT_TYPE
from daemons.metrics_page import MAX_HEAD, MOST_CONNECTIONS, PATIENCE, serve_metrics
from daemons.unix_listener import unix_listener

PAGE = b"up 1\n"


@pytest.fixture
async def path(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Path]:
    async def page() -> bytes:
        return PAGE

    async with unix_listener(tmp_path / "m.sock", 0o600) as listener, trio.open_nursery() as own:
        own.start_soon(serve_metrics, listener, page)
        yield tmp_path / "m.sock"
        own.cancel_scope.cancel()


async def said(path: Path, request: bytes) -> bytes:
    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(request)
        return b"".join([chunk async for chunk in stream])


class UnixConnection(http.client.HTTPConnection):
    """The standard library's client, on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


@pytest.mark.parametrize(("method", "body"), [("GET", PAGE), ("HEAD", b"")])
async def test_a_client_of_somebody_elses_understands_it(
    path: Path, method: str, body: bytes
) -> None:
    def ask() -> tuple[int, str | None, str | None, bytes]:
        connection = UnixConnection(path)
        connection.request(method, "/metrics?name=up", headers={"Accept": "*/*"})
        reply = connection.getresponse()
        found = reply.status, reply.headers["Content-Type"], reply.headers["Content-Length"]
        whole = reply.read()
        connection.close()
        return *found, whole

    assert await trio.to_thread.run_sync(ask) == (200, CONTENT_TYPE, str(len(PAGE)), body)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /metricsx HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET /metrics HTTP/2\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics\r\n\r\n", b"400 Bad Request"),
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"\xff" * (MAX_HEAD + 1), b"431 Request Header Fields Too Large"),
    ],
)
async def test_everything_else_is_refused(path: Path, request_: bytes, status: bytes) -> None:
    reply = await said(path, request_)
    assert reply.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert reply.endswith(b"Content-Length: 0\r\nConnection: close\r\n\r\n") or b"Allow" in reply


async def test_a_request_in_pieces(path: Path) -> None:
    async with await trio.open_unix_socket(path) as stream:
        for byte in b"GET /metrics HTTP/1.0\r\n\r\n":
            await stream.send_all(bytes((byte,)))
        assert (b"".join([chunk async for chunk in stream])).endswith(PAGE)


async def test_who_goes_away_disturbs_nobody(path: Path) -> None:
    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(b"GET /met")
    assert (await said(path, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(PAGE)


async def test_who_says_nothing_is_not_waited_for(
    path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    began = trio.current_time()
    silent = [await trio.open_unix_socket(path) for _ in range(3 * MOST_CONNECTIONS)]
    assert (await said(path, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(PAGE)
    assert trio.current_time() == began
    for each in silent:
        assert await each.receive_some() == b""
        await each.aclose()
    assert trio.current_time() - began == pytest.approx(PATIENCE, abs=0.1)
