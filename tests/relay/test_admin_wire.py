import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.lines import MAX_LINE, AdminWireError, Done, Refused, encode_line
from relay.admin_wire import (
    Drain,
    Ended,
    Go,
    Probe,
    Reload,
    ShowStatus,
    Unknown,
    Why,
    decode_reply,
    decode_request,
)
from relay.outcomes import RequestOutcome


def test_requests_come_over_whole() -> None:
    for request in (ShowStatus(), Why("a" * 13), Drain(), Reload(), Probe(bytes(range(32)))):
        assert decode_request(encode_line(request)) == request


def test_replies_come_over_whole() -> None:
    ended = Ended("a" * 13, RequestOutcome.NOT_READING, 1.5, "web1", "192.0.2.0/24", 1, 2, 3, 4, 5)
    for reply in (ended, Unknown(1.0, 2, 3), Go(bytes(32)), Done(), Refused("not now")):
        assert decode_reply(encode_line(reply)) == reply


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b'{"type":"shutdown"}\n',
        b'{"type":"status"}',
        b'{"type":"status","more":1}\n',
        b'{"type":"why","sign_on_id":"AAAAAAAAAAAAA"}\n',
        b'{"type":"why","sign_on_id":"aaaaaaaaaaaaaa"}\n',
        b'{"type":"probe","key":"AAAA"}\n',
        b'{"type":"status"}' + b" " * MAX_LINE + b"\n",
        b"[" * 5000 + b"\n",
        b"\xff\n",
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(AdminWireError):
        decode_request(line)


@given(st.binary(max_size=200))
def test_any_bytes_give_one_error(data: bytes) -> None:
    for decode in (decode_request, decode_reply):
        try:
            decode(data + b"\n")
        except AdminWireError:
            continue


def test_what_does_not_fit_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_line(Refused("x" * MAX_LINE))
