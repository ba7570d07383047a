import re
import struct
from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.canonical import MAX_KEY, MapReader, checked_text, decode_map
from protocol.errors import ProtocolError
from protocol.limits import MAX_LINK_FRAME

SCALARS = (
    st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20)
    | st.booleans()
    | st.none()
)
KEYS = st.integers(0, MAX_KEY)


def ascending(fields: dict[int, object]) -> dict[int, object]:
    return dict(sorted(fields.items()))


FLAT = st.lists(SCALARS, max_size=5).map(tuple) | st.dictionaries(KEYS, SCALARS, max_size=5).map(
    ascending
)
MAPS = st.dictionaries(KEYS, SCALARS | FLAT, max_size=6).map(ascending)


@given(MAPS)
def test_maps_come_back(value: dict[int, object]) -> None:
    assert decode_map(canonical.encode(value)) == value


@given(st.binary(max_size=64))
def test_any_bytes_give_a_map_with_these_bytes_or_the_error(body: bytes) -> None:
    try:
        value = decode_map(body)
    except ProtocolError:
        return
    assert msgpack.packb(value) == body


ANYTHING = st.recursive(
    SCALARS | st.floats() | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=9)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers() | st.text(max_size=3) | st.booleans(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.integers(-1, MAX_KEY + 1), ANYTHING, max_size=4) | ANYTHING)
def test_any_msgpack_gives_a_map_with_these_bytes_or_the_error(value: object) -> None:
    try:
        body = msgpack.packb(value)
    except (OverflowError, ValueError):
        return
    try:
        decoded = decode_map(body)
    except ProtocolError:
        return
    assert msgpack.packb(decoded) == body


@given(MAPS)
def test_every_truncation_and_any_trailing_byte_is_refused(value: dict[int, object]) -> None:
    body = msgpack.packb(value)
    decode_map(body)
    for end in range(len(body)):
        with pytest.raises(ProtocolError):
            decode_map(body[:end])
    for extra in (b"\x00", b"\xc0", b"\xc1", body):
        with pytest.raises(ProtocolError):
            decode_map(body + extra)


# What key 1 of a map may not hold, as bytes: no encoder has a say.
REFUSED_VALUES = {
    "the byte that msgpack never uses": b"\xc1",
    "a float of 32 bits": b"\xca" + struct.pack(">f", 1.0),
    "a float of 64 bits": b"\xcb" + struct.pack(">d", 1.0),
    "a NaN of 32 bits": b"\xca\x7f\xc0\x00\x00",
    "a NaN of 64 bits": b"\xcb\x7f\xf8" + bytes(6),
    "an infinity": b"\xcb\x7f\xf0" + bytes(6),
    "fixext 1": b"\xd4\x05\x00",
    "fixext 2": b"\xd5\x05" + bytes(2),
    "fixext 4, a timestamp": b"\xd6\xff" + bytes(4),
    "fixext 8, a timestamp": b"\xd7\xff" + bytes(8),
    "fixext 16": b"\xd8\x05" + bytes(16),
    "ext 8": b"\xc7\x03\x05" + bytes(3),
    "ext 8, a timestamp": b"\xc7\x0c\xff" + bytes(12),
    "ext 8, a malformed timestamp": b"\xc7\x03\xff" + bytes(3),
    "ext 16": b"\xc8\x00\x03\x05" + bytes(3),
    "ext 32": b"\xc9\x00\x00\x00\x03\x05" + bytes(3),
    "7 as uint 8": b"\xcc\x07",
    "200 as uint 16": b"\xcd\x00\xc8",
    "200 as int 16": b"\xd1\x00\xc8",
    "65535 as uint 32": b"\xce\x00\x00\xff\xff",
    "1 as uint 64": b"\xcf" + bytes(7) + b"\x01",
    "1 as int 8": b"\xd0\x01",
    "-1 as int 8": b"\xd0\xff",
    "-1 as int 64": b"\xd3" + b"\xff" * 8,
    "a short text as str 8": b"\xd9\x01a",
    "a short text as str 16": b"\xda\x00\x01a",
    "a short text as str 32": b"\xdb\x00\x00\x00\x01a",
    "short bytes as bin 16": b"\xc5\x00\x01a",
    "short bytes as bin 32": b"\xc6\x00\x00\x00\x01a",
    "an array as array 16": b"\xdc\x00\x01\x01",
    "an array as array 32": b"\xdd\x00\x00\x00\x01\x01",
    "a map as map 16": b"\xde\x00\x01\x01\x01",
    "a map as map 32": b"\xdf\x00\x00\x00\x01\x01\x01",
    "text that is no UTF-8": b"\xa1\xff",
    "text that ends within a character": b"\xa1\xc3",
    "text with a surrogate": b"\xa3\xed\xa0\x80",
    "text in an overlong form": b"\xa2\xc0\x80",
    "an array of 4294967295": b"\xdd\xff\xff\xff\xff",
    "a map of 4294967295": b"\xdf\xff\xff\xff\xff",
    "text of 4294967295": b"\xdb\xff\xff\xff\xffa",
    "bytes of 4294967295": b"\xc6\xff\xff\xff\xffa",
    "ext of 4294967295": b"\xc9\xff\xff\xff\xff\x05",
    "an array of 65535 in an array": b"\xdc\xff\xff",
    "depth 3": b"\x91\x91\x00",
    "depth 3, empty": b"\x91\x90",
    "depth 3, a map in a map": b"\x81\x00\x80",
    "as deep as a frame can be": b"\x91" * (MAX_LINK_FRAME - 1) + b"\x90",
    "wide arrays, as deep as a frame can be": b"\xdc\x07\xff" * (MAX_LINK_FRAME // 3),
    "nothing": b"",
}


@pytest.mark.parametrize("value", REFUSED_VALUES.values(), ids=REFUSED_VALUES.keys())
def test_refused_values(value: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_map(b"\x81\x01" + value)


REFUSED_MAPS = {
    "a key twice": b"\x82\x01\x01\x01\x02",
    "a key twice, far apart": b"\x83\x01\x01\x02\x01\x01\x01",
    "keys that descend": b"\x82\x02\x01\x01\x01",
    "a negative key": b"\x81\xff\x01",
    "a key of 128": b"\x81\xcc\x80\x01",
    "a key of 1 as uint 8": b"\x81\xcc\x01\x01",
    "a text key": b"\x81\xa1a\x01",
    "a bytes key": b"\x81\xc4\x01a\x01",
    "a nil key": b"\x81\xc0\x01",
    "true as a key": b"\x81\xc3\x01",
    "a float key": b"\x81\xcb\x3f\xf0" + bytes(6) + b"\x01",
    "a NaN key": b"\x81\xca\x7f\xc0\x00\x00\x01",
    "an array key": b"\x81\x90\x01",
    "a map key": b"\x81\x80\x01",
    "an ext key": b"\x81\xd4\x05\x00\x01",
    "a bad key in an inner map": b"\x81\x01\x81\xa1a\x01",
    "a key twice in an inner map": b"\x81\x01\x82\x01\x01\x01\x02",
    "a float": b"\x81\x01\xca\x3f\x80\x00\x00",
    "depth 3": b"\x81\x01\x91\x90",
    "a value missing": b"\x81\x01",
    "an array": b"\x91\x01",
    "a map in an array": b"\x91\x80",
    "an integer": b"\x05",
    "text": b"\xa1a",
    "nil": b"\xc0",
    "map 16": b"\xde\x00\x01\x01\x01",
    "map 32": b"\xdf\x00\x00\x00\x01\x01\x01",
    "a map of 4294967295": b"\xdf\xff\xff\xff\xff",
    "nothing": b"",
}


@pytest.mark.parametrize("body", REFUSED_MAPS.values(), ids=REFUSED_MAPS.keys())
def test_refused_maps(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_map(body)


@given(MAPS.filter(lambda fields: len(fields) > 1), st.randoms(use_true_random=False))
def test_a_map_has_one_order(fields: dict[int, object], random: object) -> None:
    keys = list(fields)
    random.shuffle(keys)  # type: ignore[attr-defined]
    shuffled = {key: fields[key] for key in keys}
    if keys == sorted(keys):
        assert decode_map(msgpack.packb(shuffled)) == fields
    else:
        with pytest.raises(ProtocolError):
            decode_map(msgpack.packb(shuffled))


FIELDS = {
    0: 5,
    1: b"12345678",
    2: "naïve",
    3: ("a", "b"),
    4: None,
    5: True,
    6: -1,
    7: (),
    8: ("a", 1),
}
READER = MapReader(msgpack.packb(FIELDS))


def test_fields_of_the_right_type_are_read() -> None:
    assert READER.uint(0, 5) == 5
    assert READER.binary(1, 8) == b"12345678"
    assert READER.text(2, 6) == "naïve"
    assert READER.optional_text(2, 6) == "naïve"
    assert READER.optional_text(9, 6) == ""
    assert READER.texts(3, 2, 1) == ("a", "b")


REFUSED_FIELDS: dict[str, Callable[[], object]] = {
    "uint over its maximum": lambda: READER.uint(0, 4),
    "uint from bytes": lambda: READER.uint(1, 9),
    "uint from true": lambda: READER.uint(5, 9),
    "uint from -1": lambda: READER.uint(6, 9),
    "uint from nil": lambda: READER.uint(4, 9),
    "uint missing": lambda: READER.uint(9, 9),
    "bytes too short": lambda: READER.binary(1, 9),
    "bytes too long": lambda: READER.binary(1, 7),
    "bytes from text": lambda: READER.binary(2, 6),
    "bytes missing": lambda: READER.binary(9, 8),
    "text over its bytes, not its characters": lambda: READER.text(2, 5),
    "text from bytes": lambda: READER.text(1, 99),
    "text missing": lambda: READER.text(9, 99),
    "optional text over its bytes": lambda: READER.optional_text(2, 5),
    "optional text from bytes": lambda: READER.optional_text(1, 99),
    "too many texts": lambda: READER.texts(3, 1, 9),
    "no texts": lambda: READER.texts(7, 9, 9),
    "texts from an integer": lambda: READER.texts(0, 9, 9),
    "texts with an integer": lambda: READER.texts(8, 9, 9),
    "texts with one too long": lambda: READER.texts(3, 2, 0),
    "texts missing": lambda: READER.texts(9, 9, 9),
}


@pytest.mark.parametrize("read", REFUSED_FIELDS.values(), ids=REFUSED_FIELDS.keys())
def test_refused_fields(read: Callable[[], object]) -> None:
    with pytest.raises(ProtocolError):
        read()


def test_no_error_repeats_what_the_peer_sent() -> None:
    secret = "hunter2hunter2"
    for read in (lambda: checked_text(secret, 3, "field 9"), lambda: decode_map(secret.encode())):
        with pytest.raises(ProtocolError) as caught:
            read()
        assert not re.search(secret, str(caught.value))
        assert caught.value.__cause__ is None
