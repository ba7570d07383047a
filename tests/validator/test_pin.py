"""PINs, and that the store alone says nothing about which one is right."""

import pytest

from tests.validator.pairs import record
from validator.pin import ITERATIONS, LANES, MAX_DIGITS, MEMORY_KIB, MIN_DIGITS, Pad, Pin, PinError
from validator.record import Record

GOOD = "271828"
PATTERNS = [
    "000000",
    "111111",
    "110000",
    "121212",
    "123123",
    "12341234",
    "123456",
    "654321",
    "1234567890",
    "890123",
    "135791",
    "975319",
    "246802",
    "112233",
    "998877",
    "123321",
    "1234321",
]
NO_PATTERNS = [GOOD, "314159", "142857", "123457", "112234", "123324", "270196", "122333"]


@pytest.mark.parametrize("typed", ["", "12345", "1234567890123", "12345a", " 123456", "123 456"])
def test_what_is_no_pin_is_refused_without_repeating_it(typed: str):
    for parse in (Pin.typed, Pin.chosen):
        with pytest.raises(PinError, match="a PIN has") as caught:
            parse(typed)
        assert not typed or typed not in str(caught.value)


def test_digits_of_other_scripts_are_none():
    with pytest.raises(PinError, match="only digits"):
        Pin.typed("١٢٣٤٥٦")


@pytest.mark.parametrize("digits", PATTERNS)
def test_a_pattern_cannot_be_chosen_but_is_asked_like_any_other(digits: str):
    with pytest.raises(PinError, match="simple pattern") as caught:
        Pin.chosen(digits)
    assert digits not in str(caught.value)
    assert Pin.typed(digits).digits == digits


@pytest.mark.parametrize("digits", NO_PATTERNS)
def test_what_is_no_pattern_can_be_chosen(digits: str):
    assert Pin.chosen(digits) == Pin(digits)


def test_few_pins_are_patterns():
    """The rules must not shrink what is left to guess: below one of 200."""
    numbers = range(0, 10**MIN_DIGITS, 17)
    refused = 0
    for number in numbers:
        try:
            Pin.chosen(f"{number:0{MIN_DIGITS}d}")
        except PinError:
            refused += 1
    assert 0 < refused < len(numbers) / 200


def test_shortest_and_longest():
    assert Pin.chosen("271828"[:MIN_DIGITS])
    assert Pin.chosen("271828182845"[:MAX_DIGITS])


def test_a_pad_follows_from_pin_and_salt():
    pad = Pad.of(Pin(GOOD), b"s" * 16)
    assert pad == Pad.of(Pin(GOOD), b"s" * 16)
    assert len(pad.value) == 32
    assert pad.value != Pad.of(Pin("271829"), b"s" * 16).value
    assert pad.value != Pad.of(Pin(GOOD), b"t" * 16).value


def test_argon2id_is_the_one_of_rfc_9106():
    """The second recommended choice of section 4; it must not become weaker unnoticed."""
    assert (ITERATIONS, LANES, MEMORY_KIB) == (3, 4, 65536)


def test_each_new_pad_has_a_salt_of_its_own():
    one, other = Pad.new(Pin(GOOD)), Pad.new(Pin(GOOD))
    assert one.salt != other.salt
    assert one.value != other.value


def test_every_pin_makes_as_good_a_record_as_any_other():
    """What a thief of the store can do with a guess: nothing but unlock, and all guesses do.

    The record that a wrong PIN shows is whole, is written and read like the true one, and is the
    very record that another root under that PIN would have given. So no look at it, however long,
    can tell a wrong PIN from the right one.
    """
    owner = record(pin_salt=b"s" * 16, pad=Pad.of(Pin(GOOD), b"s" * 16))
    loot = owner.encode()
    roots = set()
    for guess in (GOOD, "271829", "314159", "000000"):
        pad = Pad.of(Pin(guess), b"s" * 16)
        shown = Record.decode(loot).unlocked(pad)
        assert len(shown.device_keys.generation.root) == 32
        assert shown.encode() == loot
        assert shown.record_id == owner.record_id
        roots.add(shown.ratchet_root)
    assert len(roots) == 4
    assert owner.ratchet_root in roots
