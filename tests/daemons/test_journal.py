import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.journal import MAX_NAME, JournalForm, is_journal

FORM = JournalForm("bartizan-agent", {"link up": "0123456789abcdef0123456789abcdef"})


def fields(entry: bytes) -> list[tuple[str, str]]:
    """Reads an entry as the protocol's description has it."""
    found = []
    while entry:
        line, _, rest = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, end, rest = (
                rest[8 : 8 + length],
                rest[8 + length : 9 + length],
                rest[9 + length :],
            )
            assert end == b"\n"
        found.append((name.decode(), value.decode()))
        entry = rest
    return found


def test_an_entry_has_a_message_its_id_and_every_field() -> None:
    event = {"event": "link up", "level": "info", "time": 1.5, "relay": "a:1", "n": 3, "gone": None}
    assert fields(FORM.entry(event)) == [
        ("MESSAGE", "link up: relay a:1, n 3"),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "bartizan-agent"),
        ("MESSAGE_ID", "0123456789abcdef0123456789abcdef"),
        ("BARTIZAN_EVENT", "link up"),
        ("BARTIZAN_RELAY", "a:1"),
        ("BARTIZAN_N", "3"),
        ("BARTIZAN_GONE", ""),
    ]


def test_an_event_without_fields_and_without_an_id() -> None:
    assert fields(FORM.entry({"event": "down", "level": "error"})) == [
        ("MESSAGE", "down"),
        ("PRIORITY", "3"),
        ("SYSLOG_IDENTIFIER", "bartizan-agent"),
        ("BARTIZAN_EVENT", "down"),
    ]


def test_what_is_no_text_is_json() -> None:
    event = {"event": "sign-on ended", "level": "warning", "steps": {"queued": 0.25}}
    assert dict(fields(FORM.entry(event)))["BARTIZAN_STEPS"] == '{"queued":0.25}'


def test_a_traceback_is_below_the_message() -> None:
    event = {"event": "fault", "level": "error", "exception": "Traceback\n  in bug", "n": 1}
    found = dict(fields(FORM.entry(event)))
    assert found["MESSAGE"] == "fault: n 1\nTraceback\n  in bug"
    assert "BARTIZAN_EXCEPTION" not in found


NAMES = st.text(max_size=2 * MAX_NAME).filter(
    lambda name: name not in ("event", "level", "time", "exception")
)


@given(st.dictionaries(NAMES, st.text()), st.text())
def test_no_value_gets_out_of_its_field(own: dict[str, str], name: str) -> None:
    found = fields(FORM.entry({"event": name, "level": "info"} | own))
    assert len(found) == 4 + len(own) + (name in FORM.message_ids)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", each) for each, _ in found)
    assert all(len(each) <= MAX_NAME for each, _ in found)
    values = [value for each, value in found if each.startswith("BARTIZAN_")]
    assert values == [each.encode(errors="replace").decode() for each in (name, *own.values())]


@pytest.mark.parametrize(
    ("stream", "expected"), [("8:4711", True), ("8:471", False), ("", False), ("8:4711:", False)]
)
def test_whether_a_descriptor_is_the_journals(stream: str, expected: bool) -> None:
    assert is_journal(stream, 8, 4711) is expected


def test_a_template_gives_what_an_event_would() -> None:
    event = {"event": "link up", "level": "info", "time": 1.5, "relay": "a:1", "n": 3, "at": 0.25}
    other = event | {"relay": "b%s:2", "n": 0, "at": 1.0}
    assert (FORM.template(event) % other).encode() == FORM.entry(other)
