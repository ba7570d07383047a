"""pure. SPEC section 2.3 once more, in plain Python: no library between the fuzzer and the rules.

The fuzzer sees no branches in a compiled library. Here it sees all of them, and what it finds on
the way is given to the decoders that ship.
"""

MAX_DEPTH = 2


class RefusedError(Exception):
    """Not canonical."""


def check(condition: bool) -> None:
    if not condition:
        raise RefusedError


def value(body: bytes) -> object:
    """The one value that is all of `body`, arrays as tuples. Raises RefusedError."""
    found, rest = _value(body, 0)
    check(not rest)
    return found


def _cut(data: bytes, length: int) -> tuple[bytes, bytes]:
    check(len(data) >= length)
    return data[:length], data[length:]


def _uint(data: bytes, width: int, least: int) -> tuple[int, bytes]:
    """A number of `width` bytes that a shorter form could not hold."""
    number, rest = _cut(data, width)
    check(int.from_bytes(number, "big") >= least)
    return int.from_bytes(number, "big"), rest


def _negative(data: bytes, width: int, most: int) -> tuple[int, bytes]:
    number, rest = _cut(data, width)
    check(int.from_bytes(number, "big", signed=True) <= most)
    return int.from_bytes(number, "big", signed=True), rest


CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
POSITIVE = {0xCC: (1, 0x80), 0xCD: (2, 0x100), 0xCE: (4, 0x10000), 0xCF: (8, 0x100000000)}
"""Bytes that follow, and the least number that has no shorter form."""
NEGATIVE = {0xD0: (1, -0x21), 0xD1: (2, -0x81), 0xD2: (4, -0x8001), 0xD3: (8, -0x80000001)}
BINARY = {0xC4: (1, 0), 0xC5: (2, 0x100), 0xC6: (4, 0x10000)}
"""Bytes of the length, and the least length that has no shorter form."""
TEXT = {0xD9: (1, 0x20), 0xDA: (2, 0x100), 0xDB: (4, 0x10000)}
ARRAY = {0xDC: (2, 0x10), 0xDD: (4, 0x10000)}
MAP = {0xDE: (2, 0x10), 0xDF: (4, 0x10000)}


def _value(data: bytes, depth: int) -> tuple[object, bytes]:
    kind, rest = _cut(data, 1)
    first = kind[0]
    if first <= 0x7F:
        return first, rest
    if first <= 0x8F:
        return _map(rest, first & 0x0F, depth)
    if first <= 0x9F:
        return _array(rest, first & 0x0F, depth)
    if first <= 0xBF:
        return _text(rest, first & 0x1F)
    if first >= 0xE0:
        return first - 0x100, rest
    return _longer(first, rest, depth)


def _longer(first: int, rest: bytes, depth: int) -> tuple[object, bytes]:
    """What does not fit in its first byte."""
    if first in CONSTANTS:
        return CONSTANTS[first], rest
    if first in POSITIVE:
        return _uint(rest, *POSITIVE[first])
    if first in NEGATIVE:
        return _negative(rest, *NEGATIVE[first])
    if first in BINARY:
        length, rest = _uint(rest, *BINARY[first])
        return _cut(rest, length)
    if first in TEXT:
        length, rest = _uint(rest, *TEXT[first])
        return _text(rest, length)
    if first in ARRAY:
        length, rest = _uint(rest, *ARRAY[first])
        return _array(rest, length, depth)
    check(first in MAP)  # else a float, an extension type, or the byte that is never used
    length, rest = _uint(rest, *MAP[first])
    return _map(rest, length, depth)


def _text(data: bytes, length: int) -> tuple[str, bytes]:
    encoded, rest = _cut(data, length)
    try:
        return encoded.decode(), rest
    except UnicodeDecodeError:
        raise RefusedError from None


def _array(data: bytes, length: int, depth: int) -> tuple[tuple[object, ...], bytes]:
    check(depth < MAX_DEPTH)
    items = []
    for _ in range(length):
        item, data = _value(data, depth + 1)
        items.append(item)
    return tuple(items), data


def _map(data: bytes, length: int, depth: int) -> tuple[dict[int, object], bytes]:
    check(depth < MAX_DEPTH)
    items: dict[int, object] = {}
    last = -1
    for _ in range(length):
        key, data = _cut(data, 1)
        check(last < key[0] <= 0x7F)
        last = key[0]
        items[last], data = _value(data, depth + 1)
    return items, data
