"""Listening sockets: what is left over from another run, and whom the kernel says has come."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

from protocol.address import TcpAddress, UnixAddress
from relay.listeners import STRANGERS_BUFFER, address_of, look_up, open_listener
from relay.outcomes import LinkOutcome
from relay.records import LinkEnded
from relay.socket_options import SocketOptions
from tests.support.relay import start_relay

OPTIONS: Final = SocketOptions()
LOOPBACK: Final = TcpAddress("127.0.0.1", 0)


def open_one(address: TcpAddress | UnixAddress) -> socket.socket:
    [sock] = open_listener(look_up(address), OPTIONS, for_strangers=False)
    return sock


# ---- Unix ----------------------------------------------------------------------------------------


def test_a_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "a.sock"))
    open_one(path).close()
    assert (tmp_path / "a.sock").is_socket()
    with open_one(path) as again:
        assert address_of(again) == path
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path.path)


def test_a_socket_in_use_stays_even_when_its_backlog_is_full(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as client:
        other.bind(path)
        other.listen(0)
        client.connect(path)
        with pytest.raises(OSError, match="in use"):
            open_listener(look_up(UnixAddress(path)), OPTIONS, for_strangers=False)


def test_a_file_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "a.sock").write_text("precious")
    with pytest.raises(OSError, match="in use"):
        open_one(UnixAddress(str(tmp_path / "a.sock")))
    assert (tmp_path / "a.sock").read_text() == "precious"


def test_the_folder_is_made_where_only_it_is_missing(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        open_one(UnixAddress(str(tmp_path / "relay" / "a.sock"))).close()
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "relay").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "relay" / "a.sock").stat().st_mode) == 0o666
    with pytest.raises(FileNotFoundError):
        open_one(UnixAddress(str(tmp_path / "no" / "such" / "a.sock")))


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """pytest's own folders are closed to other users."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("uid", [4242, 3_000_000_000])
async def test_another_user_is_refused_and_the_log_says_who(
    nursery: trio.Nursery, folder_for_all: Path, uid: int
) -> None:
    relay = await start_relay(nursery, folder_for_all)
    script = (
        "import os, socket, sys\n"
        f"os.setuid({uid})\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(sys.argv[1])\n"
        "print(s.recv(100))\n"
    )
    command = [sys.executable, "-c", script, relay.unix.path]
    done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT)
    assert done.stdout == b"b''\n"
    [record] = relay.records
    assert isinstance(record, LinkEnded)
    assert (record.outcome, record.source) == (LinkOutcome.REFUSED, f"uid:{uid}")


# ---- TCP -----------------------------------------------------------------------------------------


def test_a_port_is_free_again_at_once() -> None:
    with open_one(TcpAddress("127.0.0.1", 0)) as sock:
        address = address_of(sock)
        with socket.create_connection(sock.getsockname()[:2]) as client, sock.accept()[0]:
            pass
    assert isinstance(address, TcpAddress)
    open_one(address).close()
    assert client.fileno() == -1


def test_a_port_in_use_is_an_error_and_leaves_nothing_open() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="in use"):
            open_one(TcpAddress("127.0.0.1", other.getsockname()[1]))
        assert set(os.listdir("/proc/self/fd")) == before


def test_the_second_of_two_addresses_failing_closes_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()
        infos = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", taken),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="in use"):
            open_listener(look_up(TcpAddress("two.example", 1)), OPTIONS, for_strangers=False)
        assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_the_ipv6_wildcard_takes_ipv4_too_and_one_ipv6_address_does_not() -> None:
    with open_one(TcpAddress("::", 0)) as sock:
        socket.create_connection(("127.0.0.1", sock.getsockname()[1])).close()
    with open_one(TcpAddress("::1", 0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_strangers_get_small_buffers_and_agents_do_not() -> None:
    sizes = []
    for for_strangers in (True, False):
        [sock] = open_listener(look_up(LOOPBACK), OPTIONS, for_strangers=for_strangers)
        with sock, socket.create_connection(sock.getsockname()), sock.accept()[0] as accepted:
            sizes.append(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sizes[0] == 2 * STRANGERS_BUFFER < sizes[1]
