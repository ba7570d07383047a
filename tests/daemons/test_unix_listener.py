import os
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from daemons import unix_listener as module
from daemons.unix_listener import ListenError, peer_uid, unix_listener


async def test_the_mode_is_exact_whatever_the_umask(tmp_path: Path) -> None:
    for mask in (0o000, 0o077):
        for mode in (0o600, 0o666):
            old = os.umask(mask)
            try:
                async with unix_listener(tmp_path / "s.sock", mode):
                    assert (tmp_path / "s.sock").stat().st_mode & 0o777 == mode
            finally:
                os.umask(old)


async def test_the_name_is_never_more_open_than_it_shall_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between bind and chmod, with an umask that forbids nothing."""
    seen: list[int] = []
    chmod = Path.chmod

    def look_first(path: Path, mode: int) -> None:
        seen.append(path.stat().st_mode & 0o777)
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", look_first)
    old = os.umask(0)
    try:
        async with unix_listener(tmp_path / "s.sock", 0o600):
            pass
    finally:
        os.umask(old)
    assert seen == [0o600]


async def test_the_name_goes_with_the_listener(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with unix_listener(path, 0o600):
        assert path.is_socket()
    assert not path.exists()


async def test_a_dead_daemons_name_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with unix_listener(path, 0o600), await trio.open_unix_socket(path):
        pass


async def test_a_living_daemons_name_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with unix_listener(path, 0o600):
        with pytest.raises(ListenError, match="somebody listens there"):
            async with unix_listener(path, 0o600):
                pass
        assert path.is_socket()


async def test_a_busy_daemons_name_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sock"
    monkeypatch.setattr(module, "BACKLOG", 0)
    async with unix_listener(path, 0o600):
        waiting = []
        while True:
            caller = socket.socket(socket.AF_UNIX)
            caller.setblocking(False)
            waiting.append(caller)
            try:
                caller.connect(str(path))
            except BlockingIOError:
                break
        with pytest.raises(ListenError, match="somebody listens there"):
            async with unix_listener(path, 0o600):
                pass
        for caller in waiting:
            caller.close()


async def test_a_successors_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with unix_listener(path, 0o600):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.is_socket()


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    path.write_text("mine")
    with pytest.raises(ListenError, match="exists and is no socket"):
        async with unix_listener(path, 0o600):
            pass
    assert path.read_text() == "mine"


async def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=r"none/s\.sock: cannot listen: No such file"):
        async with unix_listener(tmp_path / "none" / "s.sock", 0o600):
            pass


async def test_peer_uid(tmp_path: Path) -> None:
    async with (
        unix_listener(tmp_path / "s.sock", 0o600) as listener,
        await trio.open_unix_socket(tmp_path / "s.sock"),
        await listener.accept() as stream,
    ):
        assert peer_uid(stream) == os.getuid()
