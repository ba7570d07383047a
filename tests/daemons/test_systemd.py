import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing

from daemons import systemd
from daemons.supervision import VARIABLES, Supervision, SupervisionError, ready
from daemons.systemd import STATUS_SECONDS, TELL_SECONDS, Manager, listening_socket, take
from tests.support.service_manager import service_manager


def test_the_variables_are_gone_once_taken() -> None:
    environment = {"NOTIFY_SOCKET": "/n", "LISTEN_FDS": "1", "LISTEN_PID": "1", "PATH": "/bin"}
    assert take(environment) == Supervision("/n")
    assert environment == {"PATH": "/bin"}


def test_they_are_gone_even_when_they_are_no_good() -> None:
    environment = {"NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "1"}
    with pytest.raises(SupervisionError):
        take(environment)
    assert environment == {}


# ---- telling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "abstract"])
async def test_the_manager_is_told(tmp_path: Path, kind: str) -> None:
    address = f"{tmp_path}/notify" if kind == "path" else f"@bartizan-test-{os.getpid()}"
    async with service_manager(address) as manager:
        told = take({"NOTIFY_SOCKET": address})
        await Manager(told).tell(ready("fine"))
        assert await manager.hears("READY=1") == "READY=1\nSTATUS=fine\n"


async def test_without_a_manager_nothing_happens() -> None:
    await Manager(Supervision()).tell(ready("fine"))
    await Manager(Supervision(watchdog=1.0)).keep_informed(lambda: "fine")


async def test_a_manager_that_is_gone_is_logged_once_until_it_is_back(tmp_path: Path) -> None:
    address = f"{tmp_path}/notify"
    manager = Manager(Supervision(address))
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await manager.tell(ready("fine"))
        assert [line["event"] for line in logs] == ["service manager not informed"]
        async with service_manager(address) as listening:
            await manager.tell(ready("fine"))
            await listening.hears("READY=1")
        await manager.tell(ready("fine"))
    assert len(logs) == 2


async def test_a_busy_manager_is_waited_for_but_not_for_ever(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    address = f"{tmp_path}/notify"
    async with service_manager(address) as listening:
        filling = Manager(Supervision(address))
        with structlog.testing.capture_logs() as logs:
            with trio.move_on_after(TELL_SECONDS / 2):
                while True:
                    await filling.tell(ready("fine"))
            assert logs == []
            await filling.tell(ready("one too many"))
        (line,) = logs
        assert line["reason"] == "it takes no message"
        await listening.hears("READY=1")
        await filling.tell(ready("room again"))
        assert "room again" in await listening.hears("STATUS=room")


async def test_signs_of_life_come_twice_as_often_as_needed(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    address = f"{tmp_path}/notify"
    async with service_manager(address) as listening:
        nursery.start_soon(Manager(Supervision(address, 9.0)).keep_informed, lambda: "fine")
        before = trio.current_time()
        assert await listening.hears("WATCHDOG=1") == "WATCHDOG=1\nSTATUS=fine\n"
        times = []
        for _ in range(5):
            assert await listening.hears("WATCHDOG=1") == "WATCHDOG=1\n"
            times.append(trio.current_time() - before)
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert max(gaps) <= 4.5 + STATUS_SECONDS < 9.0
        assert min(gaps) >= 4.5
        nursery.cancel_scope.cancel()


async def test_what_does_not_work_gives_no_sign_of_life(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The loop goes on, but what it is there for does not."""
    address = f"{tmp_path}/notify"
    async with service_manager(address) as listening:
        manager = Manager(Supervision(address, 9.0))
        nursery.start_soon(manager.keep_informed, lambda: "fine", trio.sleep_forever)
        with trio.move_on_after(60):
            await listening.hear()
        assert listening.told == []
        nursery.cancel_scope.cancel()


async def test_a_status_is_told_when_it_is_new(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    address = f"{tmp_path}/notify"
    said = ["fine"]
    async with service_manager(address) as listening:
        nursery.start_soon(Manager(Supervision(address)).keep_informed, lambda: said[0])
        await listening.hears("STATUS=fine")
        await trio.sleep(10 * STATUS_SECONDS)
        said[0] = "better"
        assert await listening.hears("STATUS=") == "STATUS=better\n"
        nursery.cancel_scope.cancel()


# ---- taking over sockets -------------------------------------------------------------------------


@pytest.fixture
def free_descriptor() -> Iterator[int]:
    """A number to put something on; whatever is there at the end is closed."""
    number = os.open(os.devnull, os.O_RDONLY)
    yield number
    with contextlib.suppress(OSError):
        os.close(number)


def test_a_listener_with_a_path_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(tmp_path / "s.sock"))
        ours.listen(1)
        number = os.dup(ours.fileno())
        os.set_inheritable(number, True)
        with listening_socket(number, "pam") as found:
            assert found.fileno() == number
            assert found.getsockname() == str(tmp_path / "s.sock")
            assert not found.getblocking()
            assert not os.get_inheritable(number)


def connection(folder: Path) -> socket.socket:
    ours, other = socket.socketpair()
    other.close()
    return ours


def datagram(folder: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.bind(str(folder / "d.sock"))
    return found


def tcp(folder: Path) -> socket.socket:
    found = socket.socket(socket.AF_INET)
    found.bind(("127.0.0.1", 0))
    found.listen(1)
    return found


def abstract(folder: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.bind(f"\0bartizan-test-{os.getpid()}")
    found.listen(1)
    return found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (connection, "found a connection, expected a listener"),
        (datagram, "found a socket of AF_UNIX and SOCK_DGRAM, expected ListenStream="),
        (tcp, "found a socket of AF_INET and SOCK_STREAM, expected ListenStream="),
        (abstract, "found a socket without a name in the file system"),
    ],
)
def test_any_other_socket_is_refused(
    make: Callable[[Path], socket.socket], message: str, tmp_path: Path, free_descriptor: int
) -> None:
    with make(tmp_path) as wrong:
        os.dup2(wrong.fileno(), free_descriptor)
    with pytest.raises(SupervisionError, match=message) as caught:
        listening_socket(free_descriptor, "pam")
    assert f"descriptor {free_descriptor} (pam) of the service manager: " in str(caught.value)


def test_a_listener_by_tcp_is_for_who_expects_one(tmp_path: Path, free_descriptor: int) -> None:
    families = (socket.AF_UNIX, socket.AF_INET)
    with tcp(tmp_path) as ours, datagram(tmp_path) as wrong:
        os.dup2(ours.fileno(), free_descriptor)
        with listening_socket(free_descriptor, "any", families) as found:
            assert found.getsockname() == ours.getsockname()
        os.dup2(wrong.fileno(), free_descriptor)
    with pytest.raises(SupervisionError, match="expected ListenStream= with a path or a port"):
        listening_socket(free_descriptor, "any", families)


def test_what_is_no_socket_is_refused(free_descriptor: int) -> None:
    with pytest.raises(SupervisionError, match="found no socket"):
        listening_socket(free_descriptor, "pam")
    os.close(free_descriptor)
    with pytest.raises(SupervisionError, match="Bad file descriptor"):
        listening_socket(free_descriptor, "pam")


PROGRAM = """
import json, os
from daemons import systemd
told = systemd.take()
found = systemd.listening_socket(*told.descriptors[0])
print(json.dumps([told.descriptors, told.watchdog, found.getsockname(), list(os.environ)]))
"""


def test_a_real_process_takes_over_what_it_is_handed(tmp_path: Path) -> None:
    """As a service manager does it: the process id is put in between fork and exec."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)
        given = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "pam", "WATCHDOG_USEC": "3000000"}
        script = 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec 3<&"$0"; exec "$@"'
        done = subprocess.run(
            ["bash", "-c", script, str(listening.fileno()), sys.executable, "-c", PROGRAM],
            env=os.environ | given,
            pass_fds=(listening.fileno(),),
            capture_output=True,
            check=True,
            cwd=Path(systemd.__file__).parents[1],
        )
    descriptors, watchdog, name, left = json.loads(done.stdout)
    assert descriptors == [[3, "pam"]]
    assert watchdog == 3.0
    assert name == str(path)
    assert not set(left) & set(VARIABLES)
