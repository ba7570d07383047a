"""The log: each record is one line with its outcome, and never a tag or a full address."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from protocol.frames import encode_frame
from relay import logs
from relay.config import Log
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


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(monkeypatch: pytest.MonkeyPatch, log: Log, *records: Record) -> str:
    stderr = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.reporter(log)(records)
    stderr.seek(0)
    return stderr.read()


def test_every_kind_of_record_is_here() -> None:
    assert {type(record) for record, _ in RECORDS} == set(Record.__args__)


@pytest.mark.parametrize(("record", "fields"), RECORDS)
def test_each_record_is_one_line_with_its_outcome(
    monkeypatch: pytest.MonkeyPatch, record: Record, fields: dict[str, object]
) -> None:
    [line] = logged(monkeypatch, Log(format="json"), record).splitlines()
    entry = json.loads(line)
    assert {name: entry[name] for name in fields} == fields
    assert entry["time"] > 1_600_000_000
    [line] = logged(monkeypatch, Log(format="console"), record).splitlines()
    assert str(fields["event"]) in line
    assert str(fields.get("outcome", "")) in line


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_tag_no_frame_and_no_full_address_of_anybody(
    monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
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
    text = logged(monkeypatch, Log(format=style), *records)  # type: ignore[arg-type]
    assert len(text.splitlines()) == len(records)
    secrets = [TAG, b"another tag.....", H1[:8]]
    for secret in secrets:
        for form in (secret.decode(), secret.hex(), repr(secret)[2:-1]):
            assert form not in text
    for address in (validator.end.peer.text, stranger.end.peer.text, "192.0.2.1", "198.51.100.7"):
        assert address not in text
    assert "198.51.100.0/24" in text


def test_a_level_leaves_out_what_is_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [record for record, _ in RECORDS]
    text = logged(monkeypatch, Log(format="json", level="warning"), *records)
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["no descriptor left"]


def test_what_an_operator_reads_beside_the_records_has_their_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stderr = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure(Log(format="json"))
    report = logs.reporter(Log(format="json"))
    structlog.get_logger().info("relay up")
    report([LinkUp("uid:0", "uid:0")])
    structlog.get_logger().warning("relay down")
    stderr.seek(0)
    lines = [json.loads(line) for line in stderr]
    assert [line["event"] for line in lines] == ["relay up", "link up", "relay down"]
    assert [line["level"] for line in lines] == ["info", "info", "warning"]
    assert lines[0]["time"] <= lines[1]["time"] <= lines[2]["time"]


def test_a_log_that_cannot_be_written_does_not_end_the_relay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with contextlib.suppress(OSError), open("/dev/full", "w") as full:  # close() fails too
        monkeypatch.setattr(sys, "stderr", full)
        logs.reporter(Log(format="json"))([RECORDS[0][0]])
        with pytest.raises(OSError, match="No space"):
            full.flush()
