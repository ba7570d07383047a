import io
import json
import os
import pty
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pam_agent import logs
from pam_agent.settings import Log, LogFormat, LogLevel


@pytest.fixture(autouse=True)
def _structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_unix_time_in_microseconds() -> None:
    out = io.StringIO()
    logs.configure(Log(), stream=out)
    before = time.time()
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


def test_less_than_the_level_is_not_written() -> None:
    out = io.StringIO()
    logs.configure(Log(level=LogLevel.WARNING), stream=out)
    structlog.get_logger().info("no")
    structlog.get_logger().warning("yes")
    assert [line["event"] for line in lines(out)] == ["yes"]


@pytest.mark.parametrize("format_", list(LogFormat))
def test_no_control_character_of_a_stranger_gets_through(format_: LogFormat) -> None:
    out = io.StringIO()
    logs.configure(Log(format=format_), stream=out)
    structlog.get_logger().info("sign-on", user="a\x1b]0;b\x07\nc\u202ed")
    text = out.getvalue()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert "a]0;bcd" in text


@pytest.mark.parametrize("format_", list(LogFormat))
def test_a_bug_is_told_without_its_variables(format_: LogFormat) -> None:
    out = io.StringIO()
    logs.configure(Log(format=format_), stream=out)

    def bug(passcode: str) -> float:
        return 1 / (len(passcode) - 8)

    try:
        bug("4921" + "7734")
    except ZeroDivisionError:
        structlog.get_logger().exception("unexpected")
    assert "ZeroDivisionError" in out.getvalue()
    assert "in bug" in out.getvalue()
    assert "49217734" not in out.getvalue()


def test_for_people_on_a_terminal_and_json_elsewhere() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        logs.configure(Log(), stream=terminal)
        structlog.get_logger().info("here")
        shown = os.read(master, 4096).decode()
    os.close(master)
    assert "here" in shown
    assert "{" not in shown


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        logs.configure(Log(), stream=full)
        structlog.get_logger().info("nobody reads this")
        # What is stuck in the buffer would be written again at close.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Log())
    structlog.get_logger().error("bad")
    captured = capsys.readouterr()
    assert json.loads(captured.err)["event"] == "bad"
    assert captured.out == ""
    assert sys.stderr is not None
