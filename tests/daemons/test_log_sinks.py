"""With real pipes, terminals, sockets and full disks. Nothing may wait, whatever they do."""

import contextlib
import fcntl
import os
import pty
import signal
import socket
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemons import log_sinks
from daemons.log_sinks import JournalSink, StreamSink, goes_to_journal

LINE = b"a line of a log that has some length to it\n"


def lost(count: int) -> bytes:
    return b"lost %d\n" % count


@contextlib.contextmanager
def sink(descriptor: int) -> Iterator[StreamSink]:
    with contextlib.closing(StreamSink(descriptor, lost)) as found:
        yield found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


@pytest.fixture(autouse=True)
def _who_waits_fails() -> Iterator[None]:
    def fail(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def is_blocking(descriptor: int) -> bool:
    return not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NONBLOCK


def read_all(descriptor: int) -> bytes:
    """What is there now."""
    os.set_blocking(descriptor, False)
    found = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(descriptor, 65536):
            found += chunk
    return found


def fill(found: StreamSink) -> int:
    """Write until something is dropped; how many lines were written."""
    count = 0
    while not found.dropped:
        found.write(LINE)
        count += 1
    return count


def told_of(lines: bytes) -> int:
    """How many the log itself says were lost; a short notice may fit where a line does not."""
    notices = [line for line in lines.splitlines() if line.startswith(b"lost ")]
    return sum(int(line.split()[1]) for line in notices)


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with sink(writing) as found:
        written = fill(found) + 9
        for _ in range(9):
            found.write(LINE)
        assert found.dropped == 10
        lines = read_all(reading)
        assert lines.count(LINE) == written - 10
        found.write(b"and on\n")
        lines += read_all(reading)
        assert lines.endswith(b"\nand on\n")
        assert told_of(lines) == found.dropped == 10
        found.write(b"and on\n")
        assert read_all(reading) == b"and on\n"


def test_a_line_that_did_not_fit_is_made_whole_before_the_next(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    batch = b"".join(b"%06d\n" % number for number in range(30_000))
    with sink(writing) as found:
        found.write(batch)
        assert found.dropped == 0
        said = read_all(reading)
        assert said == batch[: len(said)]
        while len(said) < len(batch):
            found.write(b"more\n")
            said += read_all(reading)
        said += read_all(reading)
    assert said.startswith(batch)
    assert set(said[len(batch) :].splitlines()) <= {b"more"} | {b"lost %d" % n for n in range(100)}


def test_others_who_share_the_pipe_are_left_alone(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    with sink(writing) as found:
        found.write(LINE)
        assert is_blocking(writing)


def test_a_pipe_that_cannot_be_opened_again_is_not_waited_for(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of another user, or where /proc is away."""
    reading, writing = pipe

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(log_sinks.os, "open", refuse)
    with sink(writing) as found:
        fill(found)
        assert is_blocking(writing)
        lines = read_all(reading)
        found.write(b"and on\n")
        lines += read_all(reading)
        assert lines.endswith(b"\nand on\n")
        assert told_of(lines) == found.dropped


def test_a_dead_reader(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with sink(writing) as found:
        os.close(reading)
        found.write(LINE)
        found.write(LINE + LINE, 2)
        assert found.dropped == 3


def test_a_terminal_that_is_stopped() -> None:
    """Ctrl-S: output stands still until Ctrl-Q."""
    master, slave = pty.openpty()
    try:
        with sink(slave) as found:
            found.write(LINE)
            termios.tcflow(slave, termios.TCOOFF)
            written = 0
            while not found.dropped and written < 10_000:
                found.write(LINE)
                written += 1
            assert found.dropped
            assert is_blocking(slave)
            termios.tcflow(slave, termios.TCOON)
            read_all(master)
            found.write(b"and on\n")
            assert read_all(master).endswith(b"and on\r\n")
    finally:
        os.close(master)
        os.close(slave)


def test_a_socket_that_nobody_reads() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, sink(ours.fileno()) as found:
        fill(found)
        assert ours.getblocking()
        theirs.setblocking(False)
        said = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                said += theirs.recv(65536)
        found.write(b"and on\n")
        with contextlib.suppress(BlockingIOError):
            while True:
                said += theirs.recv(65536)
        assert said.endswith(b"\nand on\n")
        assert told_of(said) == found.dropped


def test_a_full_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, sink(full.fileno()) as found:
        found.write(LINE)
        found.write(LINE)
        assert found.dropped == 2


def test_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file, sink(file.fileno()) as found:
        found.write(LINE)
        found.write(LINE)
    assert (tmp_path / "log").read_bytes() == LINE * 2


# ---- the journal ---------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.setblocking(False)
        yield listening


def test_the_journal_gets_each_entry(journal: socket.socket) -> None:
    with contextlib.closing(JournalSink(lost, journal.getsockname())) as found:
        found.write(b"MESSAGE=one\n")
        found.write(b"MESSAGE=two\n")
        assert [journal.recv(100), journal.recv(100)] == [b"MESSAGE=one\n", b"MESSAGE=two\n"]
        assert found.dropped == 0


def test_a_stuck_journal_costs_entries_and_no_time(journal: socket.socket) -> None:
    with contextlib.closing(JournalSink(lost, journal.getsockname())) as found:
        while not found.dropped:
            found.write(b"MESSAGE=one\n")
        found.write(b"MESSAGE=one\n")
        with contextlib.suppress(BlockingIOError):
            while True:
                assert journal.recv(100) == b"MESSAGE=one\n"
        found.write(b"MESSAGE=two\n")
        assert [journal.recv(100), journal.recv(100)] == [b"lost 2\n", b"MESSAGE=two\n"]
        found.write(b"MESSAGE=three\n")
        assert journal.recv(100) == b"MESSAGE=three\n"


def test_a_journal_that_is_away_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with contextlib.closing(JournalSink(lost, str(path))) as found:
        found.write(b"MESSAGE=one\n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(str(path))
            found.write(b"MESSAGE=two\n")
            assert [listening.recv(100), listening.recv(100)] == [b"lost 1\n", b"MESSAGE=two\n"]


def test_who_reads_standard_error(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        status = os.fstat(file.fileno())
        right = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert goes_to_journal(file.fileno(), right)
        assert not goes_to_journal(file.fileno(), {})
        assert not goes_to_journal(file.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:1"})
        number = file.fileno()
    assert not goes_to_journal(number, right)
