import contextlib
import json
import os
import pty
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemons import logs
from daemons.journal import JournalForm
from daemons.log_settings import Log, LogFormat, LogLevel

FORM = JournalForm("bartizan-agent", {"link lost": "163b36facbc543ebb02beb7bc4e208f2"})
LINES = (LogFormat.JSON, LogFormat.CONSOLE)


@pytest.fixture(autouse=True)
def _structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "log"


@contextlib.contextmanager
def logging_to(out: Path, log: Log, **where: Any) -> Iterator[logs.Book]:
    with (
        out.open("wb", buffering=0) as file,
        contextlib.closing(logs.configure(log, FORM, file.fileno(), **where)) as book,
    ):
        yield book


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_a_line_is_json_with_unix_time_in_microseconds(out: Path) -> None:
    before = time.time()
    with logging_to(out, Log()):
        structlog.get_logger().info("sign-on ended", user="alice", path=Path("/run"), n=3)
    (line,) = lines(out)
    stamp = line.pop("time")
    assert isinstance(stamp, float)
    assert before - 0.001 <= stamp <= time.time()
    assert round(stamp, 6) == stamp
    assert line == {
        "event": "sign-on ended",
        "level": "info",
        "user": "alice",
        "path": "/run",
        "n": 3,
    }


def test_less_than_the_level_is_not_written_and_the_level_can_change(out: Path) -> None:
    with logging_to(out, Log(level=LogLevel.WARNING)):
        early = structlog.get_logger(relay="a:1")
        early.info("no")
        early.warning("yes")
        logs.set_level(LogLevel.INFO)
        early.info("now, too")
    assert [line["event"] for line in lines(out)] == ["yes", "now, too"]


@pytest.mark.parametrize("format_", LINES)
def test_no_control_character_of_a_stranger_gets_through(format_: LogFormat, out: Path) -> None:
    with logging_to(out, Log(format=format_)):
        structlog.get_logger().info("sign-on", user="a\x1b]0;b\x07\nc\u202ed")
    text = out.read_text()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert "a]0;bcd" in text


@pytest.mark.parametrize("format_", LINES)
def test_a_bug_is_told_without_its_variables(format_: LogFormat, out: Path) -> None:
    def bug(passcode: str) -> float:
        return 1 / (len(passcode) - 8)

    with logging_to(out, Log(format=format_)):
        try:
            bug("4921" + "7734")
        except ZeroDivisionError:
            structlog.get_logger().exception("unexpected")
    text = out.read_text()
    assert "ZeroDivisionError" in text
    assert "in bug" in text
    assert "49217734" not in text


def test_for_people_on_a_terminal_and_json_elsewhere() -> None:
    master, slave = pty.openpty()
    with contextlib.closing(logs.configure(Log(), FORM, slave)):
        structlog.get_logger().info("here")
        shown = os.read(master, 4096).decode()
    os.close(master)
    os.close(slave)
    assert "here" in shown
    assert "{" not in shown


def test_a_log_that_cannot_be_written_stops_nothing_and_is_counted() -> None:
    with logging_to(Path("/dev/full"), Log()) as book:
        structlog.get_logger().info("nobody reads this")
        assert book.dropped == 1


def test_what_was_lost_is_said_when_there_is_room_again(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with contextlib.closing(logs.configure(Log(), FORM, writing)) as book:
        while not book.dropped:
            structlog.get_logger().info("agent up")
        os.read(reading, 1 << 20)
        structlog.get_logger().info("back")
        said = os.read(reading, 1 << 20).splitlines()
    os.close(reading)
    os.close(writing)
    notice, last = (json.loads(line) for line in said[-2:])
    assert (notice["event"], notice["count"], notice["level"]) == ("log dropped", 1, "warning")
    assert isinstance(notice["time"], float)
    assert last["event"] == "back"


def test_standard_error_is_the_default(capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(logs.configure(Log(), FORM, environment={})):
        structlog.get_logger().error("bad")
    captured = capfd.readouterr()
    assert json.loads(captured.err)["event"] == "bad"
    assert captured.out == ""


def test_the_last_troubles_are_kept(out: Path) -> None:
    with logging_to(out, Log()) as book:
        log = structlog.get_logger()
        log.info("fine")
        log.warning("link lost", reason="a\x1b\nb")
        log.error("store failed")
    assert [(each.level, each.what) for each in book.troubles] == [
        ("warning", "link lost: reason ab"),
        ("error", "store failed"),
    ]


# ---- the journal ---------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.setblocking(False)
        yield listening


def read_by_journal(out: Path) -> dict[str, str]:
    out.touch()
    status = out.stat()
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_where_the_journal_reads_it_gets_entries(out: Path, journal: socket.socket) -> None:
    where = {"environment": read_by_journal(out), "journal": journal.getsockname()}
    with logging_to(out, Log(), **where):
        structlog.get_logger(relay="a:1").warning("link lost", reason="x")
    entry = journal.recv(4096).decode().splitlines()
    assert entry[0] == "MESSAGE=link lost: relay a:1, reason x"
    assert f"MESSAGE_ID={FORM.message_ids['link lost']}" in entry
    assert "SYSLOG_IDENTIFIER=bartizan-agent" in entry
    assert out.read_text() == ""


def test_elsewhere_it_gets_none_unless_asked_for(out: Path, journal: socket.socket) -> None:
    where = {"environment": {"JOURNAL_STREAM": "1:1"}, "journal": journal.getsockname()}
    with logging_to(out, Log(), **where):
        structlog.get_logger().info("agent up")
    assert [line["event"] for line in lines(out)] == ["agent up"]
    with logging_to(out, Log(format=LogFormat.JSON), **where):
        pass
    with logging_to(out, Log(format=LogFormat.JOURNAL), **where):
        structlog.get_logger().info("agent up")
    assert journal.recv(4096).startswith(b"MESSAGE=agent up\n")


def test_a_journal_that_is_not_there_is_said_in_json(out: Path, tmp_path: Path) -> None:
    with logging_to(out, Log(format=LogFormat.JOURNAL), journal=str(tmp_path / "none")):
        structlog.get_logger().info("agent up")
    assert [line["event"] for line in lines(out)] == ["no journal", "agent up"]


def test_json_that_was_asked_for_stays_json(out: Path, journal: socket.socket) -> None:
    where = {"environment": read_by_journal(out), "journal": journal.getsockname()}
    with logging_to(out, Log(format=LogFormat.JSON), **where):
        structlog.get_logger().info("agent up")
    assert [line["event"] for line in lines(out)] == ["agent up"]
