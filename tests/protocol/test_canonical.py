import re
import struct
from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.canonical import MAX_KEY, MapReader, checked_text, decode_array, decode_map
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
ARRAYS = st.lists(SCALARS | FLAT, max_size=6).map(tuple)
MAPS = st.dictionaries(KEYS, SCALARS | FLAT, max_size=6).map(ascending)


@given(ARRAYS)
def test_arrays_come_back(value: tuple[object, ...]) -> None:
    assert decode_array(canonical.encode(value)) == value


@given(MAPS)
def test_maps_come_back(value: dict[int, object]) -> None:
    assert decode_map(canonical.encode(value)) == value


@pytest.mark.parametrize("decode", [decode_array, decode_map])
@given(body=st.binary(max_size=64))
def test_any_bytes_give_a_value_with_these_bytes_or_the_error(
    decode: Callable[[bytes], object], body: bytes
) -> None:
    try:
        value = decode(body)
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


@pytest.mark.parametrize("decode", [decode_array, decode_map])
@given(value=ANYTHING)
def test_any_msgpack_gives_a_value_with_these_bytes_or_the_error(
    decode: Callable[[bytes], object], value: object
) -> None:
    try:
        body = msgpack.packb(value)
    except (OverflowError, ValueError):
        return
    try:
        decoded = decode(body)
    except ProtocolError:
        return
    assert msgpack.packb(decoded) == body


@given(ARRAYS | MAPS)
def test_every_truncation_and_any_trailing_byte_is_refused(value: object) -> None:
    body = msgpack.packb(value)
    decode = decode_map if isinstance(value, dict) else decode_array
    decode(body)
    for end in range(len(body)):
        with pytest.raises(ProtocolError):
            decode(body[:end])
    for extra in (b"\x00", b"\xc0", b"\xc1", body):
        with pytest.raises(ProtocolError):
            decode(body + extra)


# One array around the thing in question, as bytes, so that no encoder has a say.
REFUSED_IN_ARRAYS = {
    "the byte that msgpack never uses": b"\x91\xc1",
    "a float of 32 bits": b"\x91\xca" + struct.pack(">f", 1.0),
    "a float of 64 bits": b"\x91\xcb" + struct.pack(">d", 1.0),
    "a NaN of 32 bits": b"\x91\xca\x7f\xc0\x00\x00",
    "a NaN of 64 bits": b"\x91\xcb\x7f\xf8" + bytes(6),
    "an infinity": b"\x91\xcb\x7f\xf0" + bytes(6),
    "fixext 1": b"\x91\xd4\x05\x00",
    "fixext 2": b"\x91\xd5\x05" + bytes(2),
    "fixext 4, a timestamp": b"\x91\xd6\xff" + bytes(4),
    "fixext 8, a timestamp": b"\x91\xd7\xff" + bytes(8),
    "fixext 16": b"\x91\xd8\x05" + bytes(16),
    "ext 8": b"\x91\xc7\x03\x05" + bytes(3),
    "ext 8, a timestamp": b"\x91\xc7\x0c\xff" + bytes(12),
    "ext 8, a malformed timestamp": b"\x91\xc7\x03\xff" + bytes(3),
    "ext 16": b"\x91\xc8\x00\x03\x05" + bytes(3),
    "ext 32": b"\x91\xc9\x00\x00\x00\x03\x05" + bytes(3),
    "7 as uint 8": b"\x91\xcc\x07",
    "200 as uint 16": b"\x91\xcd\x00\xc8",
    "200 as int 16": b"\x91\xd1\x00\xc8",
    "65535 as uint 32": b"\x91\xce\x00\x00\xff\xff",
    "1 as uint 64": b"\x91\xcf" + bytes(7) + b"\x01",
    "1 as int 8": b"\x91\xd0\x01",
    "-1 as int 8": b"\x91\xd0\xff",
    "-1 as int 64": b"\x91\xd3" + b"\xff" * 8,
    "a short text as str 8": b"\x91\xd9\x01a",
    "a short text as str 16": b"\x91\xda\x00\x01a",
    "a short text as str 32": b"\x91\xdb\x00\x00\x00\x01a",
    "short bytes as bin 16": b"\x91\xc5\x00\x01a",
    "short bytes as bin 32": b"\x91\xc6\x00\x00\x00\x01a",
    "an array as array 16": b"\xdc\x00\x01\x01",
    "an array as array 32": b"\xdd\x00\x00\x00\x01\x01",
    "a map as map 16": b"\x91\xde\x00\x01\x01\x01",
    "a map as map 32": b"\x91\xdf\x00\x00\x00\x01\x01\x01",
    "text that is no UTF-8": b"\x91\xa1\xff",
    "text that ends within a character": b"\x91\xa1\xc3",
    "text with a surrogate": b"\x91\xa3\xed\xa0\x80",
    "text in an overlong form": b"\x91\xa2\xc0\x80",
    "an array of 4294967295": b"\xdd\xff\xff\xff\xff",
    "a map of 4294967295": b"\xdf\xff\xff\xff\xff",
    "text of 4294967295": b"\xdb\xff\xff\xff\xffa",
    "bytes of 4294967295": b"\xc6\xff\xff\xff\xffa",
    "ext of 4294967295": b"\xc9\xff\xff\xff\xff\x05",
    "an array of 65535 in an array": b"\x91\xdc\xff\xff",
    "depth 3": b"\x91\x91\x91\x00",
    "depth 3, empty": b"\x91\x91\x90",
    "depth 3, a map in a map": b"\x91\x81\x00\x80",
    "as deep as a frame can be": b"\x91" * (MAX_LINK_FRAME - 1) + b"\x90",
    "wide arrays, as deep as a frame can be": b"\xdc\x07\xff" * (MAX_LINK_FRAME // 3),
    "nothing": b"",
    "a map": b"\x80",
    "an integer": b"\x05",
    "text": b"\xa1a",
    "nil": b"\xc0",
}


@pytest.mark.parametrize("body", REFUSED_IN_ARRAYS.values(), ids=REFUSED_IN_ARRAYS.keys())
def test_refused_arrays(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_array(body)


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
    assert READER.texts(3, 2, 1) == ("a", "b")
    assert READER.has(8)
    assert not READER.has(9)


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
