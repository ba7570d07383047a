"""Each socket option does to real connections what it says, on both kinds of TCP listeners."""

import contextlib
import ctypes
import errno
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import pytest

from protocol.address import TcpAddress, UnixAddress
from relay.listeners import look_up, open_listener
from relay.socket_options import SocketOptions

LOOPBACK: Final = TcpAddress("127.0.0.1", 0)
BOTH_KINDS: Final = pytest.mark.parametrize(
    "for_strangers", [True, False], ids=["validators", "links"]
)
ATTACH_FILTER: Final = 26
"""SO_ATTACH_FILTER of Linux, which Python has no name for."""
TOLERANCE: Final = 0.9
"""Seconds: the kernel's timers are coarse, and the cores are busy."""


def listening(for_strangers: bool, **options: int) -> socket.socket:
    [sock] = open_listener(look_up(LOOPBACK), SocketOptions(**options), for_strangers=for_strangers)
    return sock


@contextlib.contextmanager
def pair(for_strangers: bool, **options: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection's two ends: as accepted, and the peer's."""
    with (
        listening(for_strangers, **options) as listener,
        socket.create_connection(listener.getsockname()) as peer,
        listener.accept()[0] as accepted,
    ):
        yield accepted, peer


def vanish(peer: socket.socket) -> None:
    """From now on its kernel drops what comes and answers nothing, as if it had no power."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    program = struct.pack("HP", 1, ctypes.addressof(drop))
    peer.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)


def seconds_until_given_up(
    cases: dict[str, dict[str, int]], *, for_strangers: bool, sends: bool
) -> dict[str, float]:
    """How long the kernel keeps each connection after its peer has vanished, all at once."""
    after: dict[str, float] = {}
    with ExitStack() as stack:
        poll = select.poll()
        names: dict[int, tuple[str, socket.socket]] = {}
        for name, options in cases.items():
            accepted, peer = stack.enter_context(pair(for_strangers, **options))
            names[accepted.fileno()] = name, accepted
            vanish(peer)
            if sends:
                accepted.send(b"context")
            poll.register(accepted, select.POLLERR)
        began = time.monotonic()
        while len(after) < len(cases):
            ready = poll.poll(10_000)
            assert ready, f"only {after} were given up"
            for fd, _ in ready:
                name, accepted = names[fd]
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
                after[name] = time.monotonic() - began
                poll.unregister(fd)
    return after


def test_every_option_has_a_default_that_it_takes() -> None:
    for field in msgspec.structs.fields(SocketOptions):
        assert msgspec.convert({field.name: field.default}, SocketOptions) == SocketOptions()


def test_only_what_may_be_off_can_be_zero_and_nothing_is_absurd() -> None:
    may_be_off = {"user_timeout", "defer_accept"}
    for name in SocketOptions.__struct_fields__:
        for value in (-1, 10**6, *([] if name in may_be_off else [0])):
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({name: value}, SocketOptions)
    for name in may_be_off:
        msgspec.convert({name: 0}, SocketOptions)


@BOTH_KINDS
def test_accepted_sockets_inherit_them(for_strangers: bool) -> None:
    options = {"keepalive_idle": 11, "keepalive_interval": 7, "keepalive_count": 4}
    with pair(for_strangers, **options, user_timeout=26) as (accepted, _):
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for option, expected in (
            (socket.TCP_KEEPIDLE, 11),
            (socket.TCP_KEEPINTVL, 7),
            (socket.TCP_KEEPCNT, 4),
            (socket.TCP_USER_TIMEOUT, 26_000),
        ):
            assert accepted.getsockopt(socket.IPPROTO_TCP, option) == expected


@BOTH_KINDS
def test_keepalive_finds_who_vanished_in_silence(for_strangers: bool) -> None:
    def options(idle: int, interval: int, count: int, user_timeout: int = 0) -> dict[str, int]:
        return {
            "keepalive_idle": idle,
            "keepalive_interval": interval,
            "keepalive_count": count,
            "user_timeout": user_timeout,
        }

    after = seconds_until_given_up(
        {
            "at once": options(1, 1, 1),
            "idle": options(2, 1, 1),
            "interval": options(1, 2, 1),
            "count": options(1, 1, 2),
            "user timeout": options(1, 1, 100, user_timeout=3),
        },
        for_strangers=for_strangers,
        sends=False,
    )
    expected = {"at once": 2, "idle": 3, "interval": 3, "count": 3, "user timeout": 3}
    assert after == pytest.approx(expected, abs=TOLERANCE)


@BOTH_KINDS
def test_the_user_timeout_finds_who_vanished_when_sent_to(for_strangers: bool) -> None:
    after = seconds_until_given_up(
        {name: {"user_timeout": seconds} for name, seconds in (("1", 1), ("3", 3))},
        for_strangers=for_strangers,
        sends=True,
    )
    assert 1 <= after["1"] < 1 + 2 * TOLERANCE
    assert 3 <= after["3"] < 3 + 4 * TOLERANCE  # looked at when it sends again, ever more rarely


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_backlog_is_all_that_waits_to_be_accepted(kind: str, tmp_path: Path) -> None:
    address = LOOPBACK if kind == "tcp" else UnixAddress(str(tmp_path / "a.sock"))
    waiting = {}
    for backlog in (1, 3):
        [sock] = open_listener(look_up(address), SocketOptions(backlog=backlog), for_strangers=True)
        with sock, ExitStack() as stack:
            poll = select.poll()
            for _ in range(8):
                peer = stack.enter_context(socket.socket(sock.family))
                peer.setblocking(False)
                if peer.connect_ex(sock.getsockname()) != errno.EAGAIN:
                    poll.register(peer, select.POLLOUT)
            waiting[backlog] = len(poll.poll(200))
    assert waiting == {1: 2, 3: 4}  # Linux holds one more than it is told


def test_a_validator_that_says_nothing_is_not_accepted_when_that_is_deferred() -> None:
    for for_strangers, seconds, accepted_at_once in (
        (True, 0, True),
        (True, 5, False),
        (False, 5, True),
    ):
        with (
            listening(for_strangers, defer_accept=seconds) as listener,
            socket.create_connection(listener.getsockname()) as peer,
        ):
            poll = select.poll()
            poll.register(listener, select.POLLIN)
            assert bool(poll.poll(200)) == accepted_at_once
            peer.send(b"B")
            assert poll.poll(5_000)
            listener.accept()[0].close()


def test_who_is_deferred_and_silent_comes_later_than_hold_counts_from() -> None:
    """The reason why it is off: the kernel hands it over only when the time is over."""
    with (
        listening(for_strangers=True, defer_accept=1) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        began = time.monotonic()
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        assert poll.poll(10_000)
        listener.accept()[0].close()
        assert time.monotonic() - began > 0.9
