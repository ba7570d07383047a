"""The log: each record is one line with its outcome, and never a tag or a full address."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from daemons.log_settings import Log, LogFormat, LogLevel
from daemons.logs import Book, configure
from protocol.frames import encode_frame
from relay import logs
from relay.message_ids import JOURNAL_FORM, MESSAGE_IDS
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.records import (
    LinkEnded,
    LinkUp,
    NoDescriptor,
    Record,
    Repeated,
    RequestEnded,
    ValidatorEnded,
)
from tests.relay.pure_relay import H1, TAG, PureRelay, asking_for

NAMED = "onuwo3rnn5xc4"
"""A sign-on id as people see it."""

RECORDS: list[tuple[Record, dict[str, object]]] = [
    (
        RequestEnded(RequestOutcome.DONE, "web1", NAMED, "198.51.100.0/24", 1.5, 0.25, 3, 2, 1),
        {
            "event": "request ended",
            "outcome": "done",
            "agent": "web1",
            "sign_on_id": NAMED,
            "source": "198.51.100.0/24",
            "waited": 1.5,
            "ran": 0.25,
            "frames_in": 3,
            "frames_out": 2,
            "rejects": 1,
        },
    ),
    (
        RequestEnded(RequestOutcome.EXPIRED, "web1", NAMED, "", 60.0, 0.0, 0, 0, 0),
        {"event": "request ended", "outcome": "expired", "source": ""},
    ),
    (
        ValidatorEnded(ValidatorOutcome.UNMATCHED, "2001:db8:1::/48", 5.1),
        {
            "event": "validator ended",
            "outcome": "unmatched",
            "source": "2001:db8:1::/48",
            "lasted": 5.1,
        },
    ),
    (
        LinkUp("192.0.2.0/24", "web1"),
        {"event": "link up", "agent": "web1", "source": "192.0.2.0/24"},
    ),
    (
        LinkEnded(LinkOutcome.REFUSED, "uid:4242", "", 0.1, 0),
        {"event": "link ended", "outcome": "refused", "agent": "", "source": "uid:4242"},
    ),
    (
        NoDescriptor(connections=1000),
        {"event": "no descriptor left", "level": "warning", "connections": 1000},
    ),
    (
        Repeated(
            what="validator ended",
            outcome="refused",
            count=4711,
            networks=256,
            source="198.51.100.0/24",
            lasted=10.0,
        ),
        {
            "event": "repeated",
            "what": "validator ended",
            "outcome": "refused",
            "count": 4711,
            "networks": 256,
            "source": "198.51.100.0/24",
        },
    ),
]


MANY = [RECORDS[0][0]] * 300
"""More than are written at once."""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@contextlib.contextmanager
def book_at(out: Path, form: LogFormat, **where: Any) -> Iterator[Book]:
    with (
        out.open("wb", buffering=0) as file,
        contextlib.closing(
            configure(Log(format=form), JOURNAL_FORM, file.fileno(), **where)
        ) as book,
    ):
        yield book


def logged(out: Path, form: LogFormat, *records: Record, level: LogLevel = LogLevel.INFO) -> str:
    with book_at(out, form) as book:
        logs.reporter(book, level)(records)
    return out.read_text()


def test_every_kind_of_record_is_here() -> None:
    assert {type(record) for record, _ in RECORDS} == set(Record.__args__)


@pytest.mark.parametrize(("record", "fields"), RECORDS)
def test_each_record_is_one_line_with_its_outcome(
    out: Path, record: Record, fields: dict[str, object]
) -> None:
    [line] = logged(out, LogFormat.JSON, record).splitlines()
    entry = json.loads(line)
    assert {name: entry[name] for name in fields} == fields
    assert entry["time"] > 1_600_000_000
    [line] = logged(out, LogFormat.CONSOLE, record).splitlines()
    assert str(fields["event"]) in line
    assert str(fields.get("outcome", "")) in line


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_no_tag_no_frame_and_no_full_address_of_anybody(out: Path, form: LogFormat) -> None:
    """Everything that a busy relay records, searched for what must not be in it."""
    relay = PureRelay()
    agent = relay.agent()
    relay.link(None).leave()
    relay.link(4242)
    agent.queue(TAG)
    validator = relay.validator(asking_for(TAG), encode_frame(H1))
    stranger = relay.validator(asking_for(b"another tag....."))
    validator.leave()
    relay.wait(10)
    relay.broker.stop(relay.now)
    records = relay.records()
    assert len(records) >= 5
    text = logged(out, form, *records)
    assert len(text.splitlines()) == len(records)
    secrets = [TAG, b"another tag.....", H1[:8]]
    for secret in secrets:
        for shown in (secret.decode(), secret.hex(), repr(secret)[2:-1]):
            assert shown not in text
    for address in (validator.end.peer.text, stranger.end.peer.text, "192.0.2.1", "198.51.100.7"):
        assert address not in text
    assert "198.51.100.0/24" in text


def test_a_level_leaves_out_what_is_below_it(out: Path) -> None:
    records = [record for record, _ in RECORDS]
    text = logged(out, LogFormat.JSON, *records, level=LogLevel.WARNING)
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["no descriptor left"]


def test_what_an_operator_reads_beside_the_records_has_their_form(out: Path) -> None:
    with book_at(out, LogFormat.JSON) as book:
        report = logs.reporter(book, LogLevel.INFO)
        structlog.get_logger().info("relay up")
        report([LinkUp("uid:0", "uid:0")])
        structlog.get_logger().warning("relay down")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["relay up", "link up", "relay down"]
    assert [line["level"] for line in lines] == ["info", "info", "warning"]
    assert lines[0]["time"] <= lines[1]["time"] <= lines[2]["time"]


def test_the_last_troubles_are_kept(out: Path) -> None:
    with book_at(out, LogFormat.JSON) as book:
        logs.reporter(book, LogLevel.INFO)([record for record, _ in RECORDS])
        [trouble] = book.troubles
    assert (trouble.level, trouble.what[:18]) == ("warning", "no descriptor left")


def test_a_log_that_cannot_be_written_does_not_end_the_relay() -> None:
    with book_at(Path("/dev/full"), LogFormat.JSON) as book:
        logs.reporter(book, LogLevel.INFO)([record for record, _ in RECORDS])
        assert book.dropped == len(RECORDS)


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_pipe_that_nobody_reads_costs_lines_and_no_time(form: LogFormat) -> None:
    reading, writing = os.pipe()
    with contextlib.closing(configure(Log(format=form), JOURNAL_FORM, writing)) as book:
        report = logs.reporter(book, LogLevel.INFO)
        reported = 0
        while not book.dropped:
            report(MANY)
            reported += len(MANY)
        os.set_blocking(reading, False)
        said = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                said += os.read(reading, 65536)
        report([RECORDS[0][0]])
        said += os.read(reading, 65536)
        assert said.count(NAMED.encode()) == reported - book.dropped + 1
        assert b"log dropped" in said
    os.close(reading)
    os.close(writing)


# ---- the journal ---------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.setblocking(False)
        yield listening


def test_a_turn_is_one_datagram_with_an_entry_for_each_record(
    out: Path, journal: socket.socket
) -> None:
    records = [record for record, _ in RECORDS]
    with book_at(out, LogFormat.JOURNAL, journal=journal.getsockname()) as book:
        logs.reporter(book, LogLevel.INFO)(records)
    entries = journal.recv(100_000).split(b"\n\n")
    with pytest.raises(BlockingIOError):
        journal.recv(1)
    assert entries[-1].endswith(b"\n")
    plainly = [JOURNAL_FORM.entry(msgspec.to_builtins(record)) for record in records]
    assert [entry.rstrip(b"\n") for entry in entries] == [each.rstrip(b"\n") for each in plainly]
    first = entries[0].decode().splitlines()
    assert first[0].startswith("MESSAGE=request ended: outcome done, agent web1, sign_on_id ")
    assert f"MESSAGE_ID={MESSAGE_IDS['request ended']}" in first
    assert "SYSLOG_IDENTIFIER=bartizan-relay" in first
    assert f"BARTIZAN_SIGN_ON_ID={NAMED}" in first


def test_a_turn_with_many_records_is_several_datagrams(out: Path, journal: socket.socket) -> None:
    with book_at(out, LogFormat.JOURNAL, journal=journal.getsockname()) as book:
        logs.reporter(book, LogLevel.INFO)(MANY)
        assert book.dropped == 0
    sizes = []
    with contextlib.suppress(BlockingIOError):
        while True:
            sizes.append(journal.recv(1_000_000).count(b"MESSAGE="))
    assert sizes == [logs.MOST_AT_ONCE, logs.MOST_AT_ONCE, len(MANY) - 2 * logs.MOST_AT_ONCE]


def test_a_stuck_journal_costs_entries_and_no_time(out: Path, journal: socket.socket) -> None:
    with book_at(out, LogFormat.JOURNAL, journal=journal.getsockname()) as book:
        report = logs.reporter(book, LogLevel.INFO)
        while not book.dropped:
            report(MANY[:2])
        assert book.dropped == 2
        with contextlib.suppress(BlockingIOError):
            while True:
                assert journal.recv(100_000).count(b"MESSAGE=request ended") == 2
        report(MANY[:2])
        assert journal.recv(100_000).startswith(b"MESSAGE=log dropped: count 2\n")
        assert journal.recv(100_000).count(b"MESSAGE=request ended") == 2
        assert book.dropped == 2
