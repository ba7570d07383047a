"""Whatever is read or written without a struct is what messages.py would have read or written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import messages
from protocol.data_messages import data_head, data_message, read_data, read_tag
from protocol.errors import ProtocolError
from protocol.frames import encode_frame
from protocol.limits import MAX_FRAME
from protocol.messages import FROM_AGENT, FROM_VALIDATOR, AuthValidate, Data

EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFFFF]
LENGTHS = [1, 80, 0xFF, 0x100, 1584, MAX_FRAME]
requests = st.sampled_from(EDGES) | st.integers(0, 0xFFFFFFFF)
lengths = st.sampled_from(LENGTHS) | st.integers(1, MAX_FRAME)


def slowly(body: bytes) -> tuple[int, bytes] | None:
    """As messages.py reads it."""
    try:
        message = messages.decode(body, FROM_AGENT)
    except ProtocolError:
        return None
    return (message.request, encode_frame(message.frame)) if isinstance(message, Data) else None


def quickly(body: bytes) -> tuple[int, bytes] | None:
    try:
        return read_data(body)
    except ProtocolError:
        return None


@given(requests, lengths)
def test_what_is_written_is_what_messages_write_and_is_read_again(
    request: int, length: int
) -> None:
    frame = bytes(range(256)) * 8
    frame = frame[:length]
    framed = encode_frame(frame)
    body = messages.encode(Data(request, frame))
    assert data_message(data_head(request), framed) == encode_frame(body)
    assert read_data(body) == (request, framed)


@given(requests, lengths, st.data())
def test_a_body_that_was_changed_is_read_as_messages_read_it(
    request: int, length: int, data: st.DataObject
) -> None:
    body = bytearray(messages.encode(Data(request, bytes(length))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(body), 12) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for changed in (bytes(body), bytes(body[:cut]), bytes(body) + b"\0"):
        assert quickly(changed) == slowly(changed)


@given(st.binary(max_size=24).map(lambda rest: b"\x93\x08" + rest) | st.binary(max_size=40))
@example(b"")
@example(b"\x93\x08")
@example(b"\x93\x08\x01\xc4\x00")
@example(b"\x93\x08\xcc\x7f\xc4\x01.")
@example(b"\x93\x08\xcd\x00\xff\xc4\x01.")
@example(b"\x93\x08\xce\x00\x00\xff\xff\xc4\x01.")
@example(b"\x93\x08\xcf\x00\x00\x00\x00\xff\xff\xff\xff\xc4\x01.")
@example(b"\x93\x08\xd0\x01\xc4\x01.")
@example(b"\x93\x08\xff\xc4\x01.")
@example(b"\x93\x08\xce\x00\x01\x00\x00")
@example(b"\x93\x08\xce\x00\x01\x00\x00\xc4")
@example(b"\x93\x08\xce\x00\x01\x00\x00\xc5\x01")
@example(b"\x93\x08\x01\xc5\x00\x01.")
@example(b"\x93\x08\x01\xc6\x00\x00\x00\x01.")
@example(b"\x93\x08\x01\xa1.")
@example(b"\x93\x08\x01\xc5\x08\x01" + bytes(MAX_FRAME + 1))
@example(b"\x93\x08\x01\xc5\x01")
def test_any_body_is_read_as_messages_read_it(body: bytes) -> None:
    assert quickly(body) == slowly(body)


@given(st.binary(max_size=24) | st.binary(max_size=20).map(lambda rest: b"\x92\x0e\xc4\x10" + rest))
@example(messages.encode(AuthValidate(bytes(range(16)))))
@example(b"\x92\x0e\xc5\x00\x10" + bytes(16))
def test_a_tag_is_read_as_messages_read_it(body: bytes) -> None:
    try:
        tag = messages.decode(body, FROM_VALIDATOR).tag
    except ProtocolError:
        with pytest.raises(ProtocolError):
            read_tag(body)
    else:
        assert read_tag(body) == tag
