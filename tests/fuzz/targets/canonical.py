"""pure. Canonical maps, against SPEC section 2.3 in plain Python."""

from collections.abc import Iterator

from protocol import canonical
from protocol.canonical import MapReader
from protocol.errors import ProtocolError
from tests.fuzz import plain_msgpack
from tests.fuzz.padding import body
from tests.fuzz.vectors import load

LONGEST = 1024
MAXIMUM = 64
REFUSED = (
    b"\xca\0\0\0\0",
    b"\xcb" + bytes(8),
    b"\xd4\1\0",
    b"\xd6\xff" + bytes(4),
    b"\xcc\1",
    b"\xd9\1a",
    b"\xa1\xff",
    b"\x91\x91\0",
    b"\x81\0\x80",
    b"\x82\0\0\0\0",
    b"\x81\xa1a\0",
)
"""Floats, extension types, longer forms than needed, no UTF-8, too deep, twice the same key."""


def once(data: bytes) -> None:
    """One body."""
    try:
        expected = plain_msgpack.value(data)
    except plain_msgpack.RefusedError:
        expected = None
    try:
        found = canonical.decode_map(data)
    except ProtocolError:
        assert type(expected) is not dict
        return
    assert same(found, expected)
    assert canonical.encode(found) == data
    reader = MapReader(data)
    for key in (*found, canonical.MAX_KEY):
        look(reader, key, found.get(key))


def same(one: object, other: object) -> bool:
    """Python holds True and 1 for equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def look(reader: MapReader, key: int, value: object) -> None:
    """Each typed look at a field gives that field or refuses it."""
    looks = (
        lambda: reader.uint(key, 2**64 - 1),
        lambda: reader.binary(key, len(value) if isinstance(value, bytes) else MAXIMUM),
        lambda: reader.text(key, MAXIMUM),
        lambda: reader.texts(key, 4, MAXIMUM),
    )
    given = []
    for one in looks:
        try:
            given.append(one())
        except ProtocolError:
            continue
    assert len(given) <= 1
    assert all(same(each, value) for each in given)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        assert given == [value]


def seeds() -> Iterator[bytes]:
    yield canonical.encode({})
    yield canonical.encode({0: 1, 5: ("a", "b"), 6: {1: b"x"}, 7: None, 127: True})
    for number in (0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 2**32 - 1, 2**32, 2**64 - 1):
        yield canonical.encode({0: number, 1: -number // 2})
    for length in (0x1F, 0x20, 0xFF, 0x100):
        yield canonical.encode({0: "t" * length, 1: bytes(length)})
    yield canonical.encode({0: tuple(range(0x10)), 1: dict.fromkeys(range(0x10))})
    for refused in REFUSED:
        yield b"\x81\0" + refused
    for vector in load("plaintexts")["plaintexts"]:
        yield body(bytes.fromhex(vector["plaintext"]))
