import dataclasses
from collections.abc import Callable, Iterator
from typing import get_args

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import messages
from protocol.errors import ProtocolError
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME, MAX_UNKNOWN_FRAME
from protocol.messages import (
    FROM_AGENT,
    FROM_RELAY,
    FROM_VALIDATOR,
    Attach,
    Attached,
    AuthRequest,
    AuthValidate,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Hello,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)

ANYBODY = msgspec.msgpack.Decoder(Message)

# ---- a field's type: good values at its bounds, and values that are none ------------------------


@dataclasses.dataclass(frozen=True)
class Field:
    good: tuple[object, ...]
    bad: tuple[object, ...]


NO_INTEGERS = (-1, True, False, None, "1", b"1", (), (1,), {0: 1})
NO_BYTES = (None, 7, True, (), {0: 1})


def uint(bits: int) -> Field:
    return Field((0, 1, 127, 128, 2**bits - 1), (2**bits, 2**64 - 1, *NO_INTEGERS))


def binary(length: int) -> Field:
    return Field(
        (bytes(length), b"\xff" * length),
        (b"", bytes(length - 1), bytes(length + 1), "a" * length, *NO_BYTES),
    )


def enum(values: tuple[int, ...]) -> Field:
    return Field(values, (0, max(values) + 1, 2**32, *NO_INTEGERS))


def tags(count: int) -> tuple[bytes, ...]:
    return tuple(bytes((i,)) * 16 for i in range(count))


U8, U16, U32 = uint(8), uint(16), uint(32)
KEY, NONCE, MAC, TAG, SIGN_ON_ID = binary(32), binary(16), binary(16), binary(16), binary(8)
TAGS = Field(
    (tags(1), tags(8)),
    (
        (),
        tags(9),
        (tags(1)[0], tags(1)[0]),
        (bytes(15),),
        (bytes(17),),
        ("a" * 16,),
        (None,),
        ((),),
        ({0: 1},),
        tags(1)[0],
        {0: tags(1)[0]},
        None,
        1,
    ),
)
ADDRESS = Field(("", "a", "é" * 32, "[fe80::1%eth0]:65535"), ("a" * 65, "é" * 33, b"a", *NO_BYTES))
FRAME = Field((b"\0", bytes(MAX_FRAME)), (b"", bytes(MAX_FRAME + 1), "a", *NO_BYTES))
REFUSED_REASONS = {"QUOTA": 1, "TTL": 2, "DUPLICATE": 3, "DRAINING": 4, "OVERLOADED": 5}
CLOSE_REASONS = {
    "WITHDRAWN": 1,
    "DONE": 2,
    "EXPIRED": 3,
    "STALLED": 4,
    "LIMIT": 5,
    "VALIDATOR_GONE": 6,
}

# ---- the table of SPEC section 2.4 ---------------------------------------------------------------

A, R, V = "agent", "relay", "validator"


@dataclasses.dataclass(frozen=True)
class Row:
    number: int
    message: type
    sides: str
    fields: tuple[Field, ...]


TABLE = (
    Row(0, Hello, A, (KEY, NONCE)),
    Row(1, Challenge, R, (NONCE, MAC)),
    Row(2, Attach, A, (MAC,)),
    Row(3, Attached, R, (U32, U16)),
    Row(4, AuthRequest, A, (U32, SIGN_ON_ID, U16, TAGS)),
    Row(5, Queued, R, (U32,)),
    Row(6, Refused, R, (U32, enum(tuple(REFUSED_REASONS.values())))),
    Row(7, Paired, R, (U32, U8, ADDRESS)),
    Row(8, Data, A + R, (U32, FRAME)),
    Row(9, Reject, A, (U32,)),
    Row(10, Close, A + R, (U32, enum(tuple(CLOSE_REASONS.values())))),
    Row(11, Ping, A + R, ()),
    Row(12, Pong, A + R, ()),
    Row(13, Drain, R, ()),
    Row(14, AuthValidate, V, (TAG,)),
)
each_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.message.__name__)


def test_the_table_covers_every_message() -> None:
    assert {row.message for row in TABLE} == set(get_args(Message))
    assert [row.number for row in TABLE] == list(range(len(TABLE)))


@pytest.mark.parametrize(
    ("enum_type", "table"), [(RefusedReason, REFUSED_REASONS), (CloseReason, CLOSE_REASONS)]
)
def test_the_table_covers_every_reason(
    enum_type: type[RefusedReason] | type[CloseReason], table: dict[str, int]
) -> None:
    assert {reason.name: reason.value for reason in enum_type} == table


def samples(row: Row) -> Iterator[tuple[object, ...]]:
    """Bodies, as arrays, with each good value of each field."""
    plain = [field.good[0] for field in row.fields]
    yield (row.number, *plain)
    for index, field in enumerate(row.fields):
        for value in field.good:
            yield (row.number, *plain[:index], value, *plain[index + 1 :])


@each_row
def test_every_good_value_goes_both_ways(row: Row) -> None:
    for sample in samples(row):
        body = msgpack.packb(sample)
        message = messages.decode(body, ANYBODY)
        assert type(message) is row.message
        assert msgspec.structs.astuple(message) == sample[1:]
        assert messages.encode(message) == body
        assert len(body) <= MAX_LINK_FRAME


@each_row
def test_every_bad_value_is_refused(row: Row) -> None:
    plain = [field.good[0] for field in row.fields]
    for index, field in enumerate(row.fields):
        for value in field.bad:
            body = msgpack.packb((row.number, *plain[:index], value, *plain[index + 1 :]))
            with pytest.raises(ProtocolError):
                messages.decode(body, ANYBODY)


@each_row
def test_the_number_of_fields_is_exact(row: Row) -> None:
    sample = next(samples(row))
    for wrong in (sample[:-1], (*sample, 0), (*sample, None)):
        with pytest.raises(ProtocolError):
            messages.decode(msgpack.packb(wrong), ANYBODY)


@each_row
def test_every_truncation_and_any_trailing_byte_is_refused(row: Row) -> None:
    for sample in samples(row):
        body = msgpack.packb(sample)
        ends = range(len(body)) if len(body) < 300 else (0, 1, 2, 10, len(body) - 1)
        for wrong in (*(body[:end] for end in ends), body + b"\0", body + body):
            with pytest.raises(ProtocolError):
                messages.decode(wrong, ANYBODY)


@each_row
@pytest.mark.parametrize(
    ("side", "allowed"), [(A, FROM_AGENT), (R, FROM_RELAY), (V, FROM_VALIDATOR)]
)
def test_each_side_may_send_its_own_messages_only(
    row: Row, side: str, allowed: msgspec.msgpack.Decoder[Message]
) -> None:
    body = msgpack.packb(next(samples(row)))
    if side in row.sides:
        assert type(messages.decode(body, allowed)) is row.message
    else:
        with pytest.raises(ProtocolError):
            messages.decode(body, allowed)


@pytest.mark.parametrize(
    "number", [len(TABLE), 15, 16, 127, 255, 2**64 - 1, -1, True, None, "0", b"\0", (), {0: 1}]
)
def test_unknown_types_are_refused(number: object) -> None:
    with pytest.raises(ProtocolError):
        messages.decode(msgpack.packb((number, bytes(16))), ANYBODY)


@pytest.mark.parametrize("body", [b"", b"\x90", b"\x80", b"\xc0", b"\x0b", b"\x81\x00\x0b"])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        messages.decode(body, ANYBODY)


# Bodies with one thing wrong in a field that is good otherwise, as bytes: no encoder has a say.
NOT_CANONICAL = {
    "type as uint 8": b"\x92\xcc\x05\x07",
    "request as uint 8": b"\x92\x05\xcc\x07",
    "request as uint 16": b"\x92\x05\xcd\x00\xc8",
    "request as uint 32": b"\x92\x05\xce\x00\x00\xff\xff",
    "request as uint 64": b"\x92\x05\xcf" + bytes(7) + b"\x07",
    "request as int 8": b"\x92\x05\xd0\x07",
    "request as a whole float": b"\x92\x05\xca\x40\xe0\x00\x00",
    "request as a NaN": b"\x92\x05\xcb\x7f\xf8" + bytes(6),
    "request as a timestamp": b"\x92\x05\xd6\xff" + bytes(4),
    "request as ext": b"\x92\x05\xd4\x05\x07",
    "array as array 16": b"\xdc\x00\x02\x05\x07",
    "array as array 32": b"\xdd\x00\x00\x00\x02\x05\x07",
    "map for array": b"\x82\x00\x05\x01\x07",
    "tag as bin 16": b"\x92\x0e\xc5\x00\x10" + bytes(16),
    "tag as bin 32": b"\x92\x0e\xc6\x00\x00\x00\x10" + bytes(16),
    "tag as str": b"\x92\x0e\xb0" + b"a" * 16,
    "address as str 8": b"\x94\x07\x07\x00\xd9\x01a",
    "address as bin": b"\x94\x07\x07\x00\xc4\x01a",
    "address that is no UTF-8": b"\x94\x07\x07\x00\xa1\xff",
    "address cut within a character": b"\x94\x07\x07\x00\xa1\xc3",
    "address with a surrogate": b"\x94\x07\x07\x00\xa3\xed\xa0\x80",
    "address in an overlong form": b"\x94\x07\x07\x00\xa2\xc0\x80",
    "tags as array 16": b"\x95\x04\x07\xc4\x08"
    + bytes(8)
    + b"\x07\xdc\x00\x01\xc4\x10"
    + bytes(16),
    "4294967295 tags": b"\x95\x04\x07\xc4\x08" + bytes(8) + b"\x07\xdd\xff\xff\xff\xff",
    "an array of 4294967295": b"\xdd\xff\xff\xff\xff",
    "a frame of 4294967295": b"\x93\x08\x07\xc6\xff\xff\xff\xffa",
    "arrays as deep as a frame can be": b"\x91" * MAX_LINK_FRAME,
    "arrays as deep as a frame can be, in a field": b"\x92\x05" + b"\x91" * MAX_LINK_FRAME,
    "the byte that msgpack never uses": b"\x92\x05\xc1",
}


@pytest.mark.parametrize("body", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_one_message_has_one_encoding(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        messages.decode(body, ANYBODY)


@each_row
def test_first_messages_fit_the_limit_for_unknown_peers(row: Row) -> None:
    """All but Data: an AuthRequest with 8 tags could even come from a peer not known yet."""
    longest = max(len(msgpack.packb(sample)) for sample in samples(row))
    assert row.message is Data or longest <= MAX_UNKNOWN_FRAME


SOME_VALUE = st.recursive(
    st.integers(-1, 2**33) | st.binary(max_size=33) | st.text(max_size=5) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 3), inner, max_size=2)
    ),
    max_leaves=6,
)


def decoded_or_refused(
    body: bytes, decode: Callable[[bytes, msgspec.msgpack.Decoder[Message]], Message]
) -> None:
    try:
        message = decode(body, ANYBODY)
    except ProtocolError:
        return
    assert messages.encode(message) == body


@given(st.binary(max_size=80))
def test_any_bytes_give_a_message_or_the_error(body: bytes) -> None:
    decoded_or_refused(body, messages.decode)


@given(st.lists(SOME_VALUE, max_size=5), st.integers(0, len(TABLE)))
def test_any_array_gives_a_message_or_the_error(rest: list[object], number: int) -> None:
    decoded_or_refused(msgpack.packb([number, *rest]), messages.decode)


@given(st.sampled_from(TABLE), st.data())
def test_any_change_of_a_good_body_gives_a_message_or_the_error(
    row: Row, data: st.DataObject
) -> None:
    body = bytearray(msgpack.packb(data.draw(st.sampled_from(list(samples(row))))))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    decoded_or_refused(bytes(body), messages.decode)
