import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from daemons import connections as module
from daemons.connections import serve_connections, serve_latest
from daemons.unix_listener import unix_listener
from tests.support.patience import until


def echo_until_closed(log: list[str]) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def serve(stream: trio.SocketStream) -> None:
        log.append("begin")
        async for _ in stream:
            pass
        log.append("end")

    return serve


async def test_at_most_so_many_connections_at_a_time(tmp_path: Path, nursery: trio.Nursery) -> None:
    log: list[str] = []
    async with unix_listener(tmp_path / "s.sock", 0o600) as listener:
        nursery.start_soon(serve_connections, listener, echo_until_closed(log), 2)
        callers = [await trio.open_unix_socket(tmp_path / "s.sock") for _ in range(3)]
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert log == ["begin", "begin"]
        await callers[0].aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert log == ["begin", "begin", "end", "begin"]
        for caller in callers:
            await caller.aclose()
        nursery.cancel_scope.cancel()


async def test_the_oldest_ends_for_the_next_one(tmp_path: Path, nursery: trio.Nursery) -> None:
    log: list[str] = []
    async with unix_listener(tmp_path / "s.sock", 0o600) as listener:
        nursery.start_soon(serve_latest, listener, echo_until_closed(log), 2)
        callers = [await trio.open_unix_socket(tmp_path / "s.sock") for _ in range(2)]
        await until(lambda: log == ["begin", "begin"])
        await callers[1].aclose()
        await until(lambda: log[2:] == ["end"])
        callers += [await trio.open_unix_socket(tmp_path / "s.sock") for _ in range(2)]
        assert await callers[0].receive_some() == b"", "it was the oldest of two"
        await until(lambda: log == ["begin", "begin", "end", "begin", "begin"])
        for caller in callers[2:]:
            await caller.send_eof()
            assert await caller.receive_some() == b""
        assert log[5:] == ["end", "end"]
        for caller in callers:
            await caller.aclose()
        nursery.cancel_scope.cancel()


async def test_without_descriptors_it_rests_and_goes_on(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS]
    accept = trio.SocketListener.accept

    async def starved(listener: trio.SocketListener) -> trio.SocketStream:
        if errors:
            raise OSError(errors.pop(), "none left")
        return await accept(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", starved)
    monkeypatch.setattr(module, "ACCEPT_PAUSE", 0.001)
    log: list[str] = []
    async with unix_listener(tmp_path / "s.sock", 0o600) as listener:
        nursery.start_soon(serve_connections, listener, echo_until_closed(log), 2)
        async with await trio.open_unix_socket(tmp_path / "s.sock") as caller:
            await caller.send_eof()
            assert await caller.receive_some() == b""
        assert (log, errors) == (["begin", "end"], [])
        nursery.cancel_scope.cancel()


async def test_another_error_of_accept_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(listener: trio.SocketListener) -> trio.SocketStream:
        raise OSError(errno.EBADF, "broken")

    monkeypatch.setattr(trio.SocketListener, "accept", broken)
    async with unix_listener(tmp_path / "s.sock", 0o600) as listener:
        with pytest.RaisesGroup(OSError):
            await serve_connections(listener, echo_until_closed([]), 2)
