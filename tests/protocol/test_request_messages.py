"""Whatever is read or written without a struct is what messages.py would have read or written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import messages
from protocol.errors import ProtocolError
from protocol.frames import encode_frame
from protocol.limits import MAX_ADDRESS_TEXT, MAX_TAGS
from protocol.messages import FROM_AGENT, AuthRequest, Close, CloseReason, Paired, Queued
from protocol.request_messages import (
    AuthRequestFields,
    paired,
    queued,
    read_auth_request,
    read_close,
)

EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFFFF]
requests = st.sampled_from(EDGES) | st.integers(0, 0xFFFFFFFF)
lives = st.sampled_from([edge for edge in EDGES if edge <= 0xFFFF]) | st.integers(0, 0xFFFF)
ids = st.binary(min_size=8, max_size=8)
tags = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=MAX_TAGS, unique=True)
auth_requests = st.builds(AuthRequest, requests, ids, lives, tags.map(tuple))
closes = st.builds(Close, requests, st.sampled_from(list(CloseReason)))

ONE = messages.encode(AuthRequest(7, b"sign-on.", 600, (bytes(range(16)),)))
TWO = messages.encode(AuthRequest(7, b"sign-on.", 600, (bytes(16), bytes(range(16)))))


def slowly(body: bytes) -> AuthRequestFields | tuple[int, CloseReason] | None:
    """As messages.py reads it."""
    try:
        message = messages.decode(body, FROM_AGENT)
    except ProtocolError:
        return None
    match message:
        case AuthRequest(request, sign_on_id, ttl, found):
            return request, sign_on_id, ttl, found
        case Close(request, reason):
            return request, reason
        case _:
            return None


def quickly(body: bytes) -> AuthRequestFields | tuple[int, CloseReason] | None:
    try:
        return read_auth_request(body)
    except ProtocolError:
        pass
    try:
        return read_close(body)
    except ProtocolError:
        return None


@given(auth_requests | closes, st.data())
def test_a_message_is_read_as_messages_read_it_whole_and_changed(
    message: AuthRequest | Close, data: st.DataObject
) -> None:
    whole = messages.encode(message)
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    assert quickly(whole) is not None
    for changed in (whole, whole[:cut], whole + b"\0", bytes(body), bytes(body[:cut])):
        assert quickly(changed) == slowly(changed)


@given(
    st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda rest: b"\x95\x04" + rest)
    | st.binary(max_size=10).map(lambda rest: b"\x93\x0a" + rest)
)
@example(ONE.replace(b"\xc4\x08", b"\xc4\x07"))
@example(ONE.replace(b"\xc4\x10", b"\xc5\x00\x10"))
@example(ONE.replace(b"\x91", b"\x90"))
@example(ONE.replace(b"\x91", b"\x92"))
@example(ONE.replace(b"\xcd\x02\x58", b"\xce\x00\x01\x00\x00"))
@example(TWO.replace(bytes(range(16)), bytes(16)))
@example(TWO.replace(b"\x92", b"\x91"))
@example(b"\x95\x04\x07\xc4\x08sign-on.\x01" + b"\x99" + 9 * (b"\xc4\x10" + bytes(16)))
@example(b"\x95\x04")
@example(b"\x95\x04\x07")
@example(b"\x93\x0a\x07")
@example(b"\x93\x0a\x07\x00")
@example(b"\x93\x0a\x07\x07")
@example(b"\x93\x0a\x07\x01\x01")
def test_any_body_is_read_as_messages_read_it(body: bytes) -> None:
    assert quickly(body) == slowly(body)


@pytest.mark.parametrize("count", range(1, MAX_TAGS + 1))
def test_as_many_tags_as_a_request_may_have(count: int) -> None:
    found = tuple(bytes((number,)) * 16 for number in range(count))
    body = messages.encode(AuthRequest(7, b"sign-on.", 600, found))
    assert read_auth_request(body) == (7, b"sign-on.", 600, found)


@given(requests)
def test_queued_is_what_messages_write(request: int) -> None:
    assert queued(request) == encode_frame(messages.encode(Queued(request)))


@given(requests, st.integers(0, MAX_TAGS - 1), st.text("0123456789abcdef:.[]", max_size=64))
@example(1, 0, 31 * "a")
@example(1, 0, 32 * "a")
@example(1, 0, MAX_ADDRESS_TEXT * "a")
def test_paired_is_what_messages_write(request: int, index: int, address: str) -> None:
    written = encode_frame(messages.encode(Paired(request, index, address)))
    assert paired(request, index, address) == written
