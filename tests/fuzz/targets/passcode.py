"""pure. A passcode as typed, against another implementation of SPEC section 3.2."""

from collections.abc import Iterator

from protocol import passcode
from protocol.passcode import MistypedError
from tests.fuzz.vectors import load
from tests.protocol import independent


def once(data: bytes) -> None:
    """UTF-8 text."""
    typed = data.decode(errors="replace")
    try:
        expected = independent.typed_passcode(typed)
    except independent.RefusedError:
        expected = None
    try:
        digits = passcode.parse(typed)
    except MistypedError:
        assert expected is None
        return
    assert digits == expected
    assert passcode.parse(passcode.display(digits)) == digits
    assert passcode.with_check_digit(digits[:-1]) == digits


def seeds() -> Iterator[bytes]:
    vectors = load("passcodes")
    for typed in (*vectors["valid"], *vectors["mistyped"]):
        yield typed.encode()
    for vector in vectors["typed"]:
        yield vector["typed"].encode()
