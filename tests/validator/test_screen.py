from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.keys import Mode
from protocol.signon_messages import Context, Role
from protocol.text import clean
from tests.validator.pairs import record
from validator import screen
from validator.layout import Line, Tone, text_columns
from validator.record import State

NOW = 1_780_000_000
VIEW = screen.View(width=79, now=NOW, zone=UTC)
RECORD = record("web1", "alice")
CONTEXT = Context(
    sign_on_id=b"12345678",
    agent_random=bytes(32),
    user="alice",
    host="web1",
    service="sshd",
    remote_address="203.0.113.7",
    remote_name="dyn-7.example.net",
    tty="pts/3",
    agent_time=NOW - 2,
    first_factor="publickey",
    seconds_left=58,
    note="",
    last_success=NOW - 7200,
    failures=0,
)


def text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def shown(context: Context = CONTEXT) -> str:
    return text(screen.context_lines(context, RECORD, VIEW))


def warnings(context: Context) -> str:
    lines = screen.context_lines(context, RECORD, VIEW)
    return "\n".join(line.text for line in lines if line.tone is Tone.WARNING)


def test_the_whole_context_is_shown():
    assert (
        shown()
        == """
Sign-on at web1

  User             alice
  Host             web1
  Service          sshd
  From address     203.0.113.7
  Claimed name     dyn-7.example.net
  Terminal         pts/3
  Time at host     2026-05-28 20:26:38 UTC
  First factor     publickey
  Note             (not stated)
  Last sign-on     2026-05-28 18:26:40 UTC (2 hours ago)
  Failures since   0
  Sign-on id       gezdgnbvgy3tq

Seconds left to decide: 58
"""
    )


def test_a_calm_context_warns_of_nothing():
    assert warnings(CONTEXT) == ""
    assert not screen.differs(CONTEXT, RECORD)


def test_a_long_note_stays_in_its_place():
    lines = shown(replace(CONTEXT, note="/usr/bin/rsync " + "x" * 100 + " /srv/")).split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("  Note"))
    assert lines[start + 1].startswith(" " * 19 + "x")
    assert lines[start + 2].startswith(" " * 19 + "x")


@pytest.mark.parametrize("field", ["host", "user"])
def test_what_differs_from_the_enrolment_is_a_warning(field: str):
    context = replace(CONTEXT, **{field: "other"})
    assert screen.differs(context, RECORD)
    assert "'other'" in warnings(context)
    assert "deny" in warnings(context)
    lines = shown(context)
    assert "  Host             web1" in lines
    assert "  User             alice" in lines


def test_never_signed_on_and_failures_and_another_role():
    context = replace(CONTEXT, last_success=0, failures=3, role=Role.APPROVER)
    assert "  Last sign-on     never" in shown(context)
    assert "  Failures since   3" in warnings(context)
    assert "somebody else's sign-on" in warnings(context)


def test_what_the_host_has_to_tell_is_told_whatever_the_sign_on_is_about():
    alert = "break-glass for alice until 16:05 UTC: lost phone"
    assert f"NOTICE of the host: {alert}" in warnings(replace(CONTEXT, alert=alert))
    assert "NOTICE" not in shown(replace(CONTEXT, alert="\u200b "))


TEXTS = st.text(max_size=60)


@given(
    st.builds(
        Context,
        sign_on_id=st.binary(min_size=8, max_size=8),
        agent_random=st.just(bytes(32)),
        user=TEXTS,
        host=TEXTS,
        service=TEXTS,
        remote_address=TEXTS,
        remote_name=TEXTS,
        tty=TEXTS,
        agent_time=st.integers(0, 2**64 - 1),
        first_factor=TEXTS,
        seconds_left=st.integers(0, 65535),
        note=TEXTS,
        last_success=st.integers(0, 2**64 - 1),
        failures=st.integers(0, 65535),
    ),
    TEXTS,
)
def test_no_text_of_a_host_leaves_its_line_or_hides(context: Context, label: str):
    hostile = replace(RECORD, host=label, user=label)
    for line in (
        *screen.context_lines(context, hostile, VIEW),
        *screen.enrolment_lines(hostile, "123456", VIEW.width),
        *screen.hosts_lines([hostile], VIEW),
        *screen.choice_lines([hostile]),
    ):
        assert line.text == clean(line.text)
    for line in screen.context_lines(context, hostile, VIEW):
        assert text_columns(line.text) <= VIEW.width


def test_the_six_digits_and_the_question():
    assert text(screen.enrolment_lines(RECORD, "123456", 79)) == (
        "Enrol this device for alice at web1? The host shows the same 6 digits: 123456"
    )


def test_a_proof_leaves_out_what_is_not_stated():
    context = replace(
        CONTEXT, mode=Mode.PROOF, service="enrol", tty="", remote_name="", first_factor=""
    )
    lines = shown(context).split("\n")
    assert lines[1] == "Enrolment at web1"
    assert "  Service          enrol" in lines
    assert "  From address     203.0.113.7" in lines
    assert not any("not stated" in line for line in lines)


def test_hosts():
    assert text(screen.hosts_lines([], VIEW)) == "No host is enrolled on this device."
    records = [
        replace(RECORD, enrolled_at=NOW, last_used=NOW),
        replace(RECORD, host="db", enrolled_at=NOW, state=State.UNPROVED, pin_salt=b"s" * 16),
        replace(RECORD, host="mail", enrolled_at=NOW, state=State.DISABLED),
    ]
    assert (
        text(screen.hosts_lines(records, VIEW))
        == """\
web1 (alice)
  This device      laptop
  Enrolled         2026-05-28 20:26:40 UTC
  Last used        2026-05-28 20:26:40 UTC
  Generation       0
  PIN              none
  State            active
db (alice)
  This device      laptop
  Enrolled         2026-05-28 20:26:40 UTC
  Last used        never
  Generation       0
  PIN              asked for
  State            not proved: the enrolment was broken off
mail (alice)
  This device      laptop
  Enrolled         2026-05-28 20:26:40 UTC
  Last used        never
  Generation       0
  PIN              none
  State            disabled: the host refuses this device"""
    )


def test_the_menu():
    assert text(screen.choice_lines([RECORD, replace(RECORD, user="bob")])) == (
        "  1  web1 (alice)\n  2  web1 (bob)"
    )
