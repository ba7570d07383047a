"""pure. Strict msgpack: one byte string for one value, nothing exotic (SPEC section 2.3).

msgpack decoders are lax by default. Here a whole body is decoded, its values are walked, and it is
encoded again: what does not come out as the same bytes (non-minimal lengths, trailing bytes) was
not canonical. Map keys ascend, so that a map has one order too.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgpack

from protocol.errors import ProtocolError

MAX_KEY: Final = 127
"""The largest map key: one byte of msgpack."""

MAX_DEPTH: Final = 2
"""A map may hold flat arrays or maps, and no more."""


def encode(value: Mapping[int, object]) -> bytes:
    """The canonical bytes of a map whose keys are given in ascending order."""
    return msgpack.packb(value, use_bin_type=True)


def decode_map(body: bytes) -> dict[int, object]:
    """Decode a body that must be one map with keys of 0 to 127. Raises ProtocolError."""
    value = _decode(body)
    if type(value) is not dict:
        raise ProtocolError("body is not a map")
    return value


def _decode(body: bytes) -> object:
    try:
        value = msgpack.unpackb(
            body,
            raw=False,
            use_list=False,
            strict_map_key=False,
            object_pairs_hook=_ascending_small_keys,
        )
        _walk(value, 0)
        again = msgpack.packb(value, use_bin_type=True)
    except ProtocolError:
        raise
    # msgpack raises many types (ValueError, TypeError, its own, RecursionError for depth): each
    # of them means the same here, and the bytes of a stranger must not choose another exit.
    except Exception:
        raise ProtocolError("body is not msgpack") from None
    if again != body:
        raise ProtocolError("body is not canonical msgpack")
    return cast(object, value)


def _ascending_small_keys(pairs: list[tuple[object, object]]) -> dict[int, object]:
    result: dict[int, object] = {}
    last = -1
    for key, value in pairs:
        if type(key) is not int or not 0 <= key <= MAX_KEY:
            raise ProtocolError("map key is not a small integer")
        if key <= last:
            raise ProtocolError("map keys do not ascend")
        result[key] = value
        last = key
    return result


def _walk(value: object, depth: int) -> None:
    kind = type(value)
    if kind in (int, str, bytes, bool, type(None)):
        return
    if depth == MAX_DEPTH:
        raise ProtocolError("body is nested too deep")
    if kind is tuple:
        for item in cast(tuple[object, ...], value):
            _walk(item, depth + 1)
    elif kind is dict:
        for item in cast(dict[int, object], value).values():
            _walk(item, depth + 1)
    else:
        raise ProtocolError("body holds a float or an extension type")


class MapReader:
    """Typed access to a decoded map. A wrong or missing field is a ProtocolError."""

    __slots__ = ("_map",)

    def __init__(self, body: bytes) -> None:
        self._map = decode_map(body)

    def uint(self, key: int, maximum: int) -> int:
        value = self._map.get(key)
        if type(value) is not int or not 0 <= value <= maximum:
            raise ProtocolError(f"field {key} is not an integer up to {maximum}")
        return value

    def binary(self, key: int, length: int) -> bytes:
        """Exactly `length` bytes."""
        value = self._map.get(key)
        if type(value) is not bytes or len(value) != length:
            raise ProtocolError(f"field {key} is not {length} bytes")
        return value

    def text(self, key: int, maximum: int) -> str:
        """At most `maximum` bytes of UTF-8."""
        return checked_text(self._map.get(key), maximum, f"field {key}")

    def optional_text(self, key: int, maximum: int) -> str:
        """As `text`; a missing one is empty."""
        return self.text(key, maximum) if key in self._map else ""

    def texts(self, key: int, most: int, maximum: int) -> tuple[str, ...]:
        """One to `most` texts of at most `maximum` bytes of UTF-8 each."""
        value = self._map.get(key)
        if type(value) is not tuple or not 1 <= len(value) <= most:
            raise ProtocolError(f"field {key} is not an array of 1 to {most}")
        return tuple(checked_text(item, maximum, f"field {key}") for item in value)


def checked_text(value: object, maximum: int, where: str) -> str:
    """`value` as a text of at most `maximum` bytes of UTF-8. Raises ProtocolError."""
    if type(value) is not str or len(value.encode()) > maximum:
        raise ProtocolError(f"{where} is not a text of up to {maximum} bytes")
    return value
