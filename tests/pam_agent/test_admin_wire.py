import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.lines import MAX_LINE, AdminWireError, Done, Refused, encode_line
from pam_agent.admin_wire import (
    DeviceLine,
    Enroll,
    LinkKey,
    ListAccounts,
    Reply,
    Request,
    Revoke,
    ShowLinkKey,
    decode_reply,
    decode_request,
)
from pam_agent.enrolment_events import Compare, Enrolled, EnrolmentFailure, Failed, Offered
from pam_agent.records import DisabledReason
from pam_agent.totp_wire import RemoveTotp, SetTotp, TotpLine, TotpSecret
from pam_agent.wire_values import MAX_ACCOUNT
from tests.support.agent_store import device

REQUESTS: list[Request] = [
    ListAccounts(),
    Revoke("alice", 3),
    Revoke("alice", None),
    Enroll("älice"),
    ShowLinkKey(),
    SetTotp("alice"),
    RemoveTotp("alice"),
]
REPLIES: list[Reply] = [
    DeviceLine("alice", 1, "phone", "active", 0, 1, 2),
    LinkKey(bytes(range(32)), "web1"),
    Offered("bartizan:abc", 1_800_000_000),
    Compare("phone", "012345"),
    Enrolled("phone"),
    TotpLine("alice", 1_800_000_000, 3),
    TotpSecret(bytes(20)),
    *(Failed(reason) for reason in EnrolmentFailure),
    Done(),
    Refused("disk full"),
]


@pytest.mark.parametrize("message", REQUESTS, ids=repr)
def test_requests_come_back(message: Request) -> None:
    assert decode_request(encode_line(message)) == message


@pytest.mark.parametrize("message", REPLIES, ids=repr)
def test_replies_come_back(message: Reply) -> None:
    line = encode_line(message)
    assert line.count(b"\n") == 1
    assert decode_reply(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b'{"type":"accounts"}',  # cut off
        b'{"type":"accounts","x":1}\n',
        b'{"type":"done"}\n',
        b'{"type":"enroll"}\n',
        b'{"type":"enroll","account":""}\n',
        b'{"type":"enroll","account":3}\n',
        b'{"type":"enroll","account":"\xff"}\n',
        b'{"type":"enroll","account":"\\ud800"}\n',
        b'{"type":"enroll","account":"' + b"a" * (MAX_ACCOUNT + 1) + b'"}\n',
        b'{"type":"revoke","account":"a"}\n',
        b'{"type":"revoke","account":"a","device_id":true}\n',
        b'{"type":"revoke","account":"a","device_id":0}\n',
        b'{"type":"revoke","account":"a","device_id":9223372036854775808}\n',
        b'{"type":"revoke","account":"a","device_id":"3"}\n',
        b"[" * 4000 + b"\n",
        b'{"x":' + b"[" * 4000 + b"]" * 4000 + b"}\n",
        b'{"type":"accounts"}' + b" " * MAX_LINE + b"\n",
    ],
    ids=lambda line: str(line[:50]),
)
def test_what_is_no_request(line: bytes) -> None:
    with pytest.raises(AdminWireError):
        decode_request(line)


def test_a_deep_reply_is_no_reply() -> None:
    with pytest.raises(AdminWireError):
        decode_reply(b'{"type":"done","x":' + b"[" * 4000 + b"]" * 4000 + b"}\n")


@given(st.binary() | st.text().map(lambda text: json.dumps({"type": text}).encode()))
def test_any_bytes_are_a_message_or_the_one_error(line: bytes) -> None:
    for decode in (decode_request, decode_reply):
        for ending in (b"", b"\n"):
            with contextlib.suppress(AdminWireError):
                decode(line + ending)


def test_no_line_is_too_long() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_line(Refused("x" * MAX_LINE))


def test_an_offer_shows_no_secret() -> None:
    assert "abc" not in repr(Offered("bartizan:abc", 1))


def test_a_device_line_says_how_it_stands() -> None:
    assert DeviceLine.of(device()).state == "active"
    assert DeviceLine.of(device(proved=False)).state == "not proved"
    assert DeviceLine.of(device(disabled=DisabledReason.CLONE)).state == "disabled: clone"
    line = encode_line(DeviceLine.of(device(rendezvous_root=b"K" * 32)))
    assert b"KKK" not in line


@pytest.mark.parametrize(
    ("host", "name"),
    [("web1", "web1"), ("my web # 1", "my-web-1"), (" # ", "unnamed")],
)
def test_a_link_key_line_is_two_words(host: str, name: str) -> None:
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    assert LinkKey(bytes(32), host).line == f"{key} {name}"
