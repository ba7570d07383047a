import itertools

import pytest

from pam_agent.sealing import NONCE_LENGTH, OVERHEAD, Seal, SealBrokenError

KEY = bytes(range(32))
SECRET = b"\x07" * 32
PLACE = ("device", "rendezvous_root", 7)


def test_a_value_comes_back_at_its_place() -> None:
    sealed = Seal(KEY).seal(SECRET, *PLACE)
    assert len(sealed) == len(SECRET) + OVERHEAD
    assert SECRET not in sealed
    assert Seal(KEY).unseal(sealed, *PLACE) == SECRET


def test_the_same_value_is_never_sealed_alike() -> None:
    seal = Seal(KEY)
    sealed = {seal.seal(SECRET, *PLACE) for _ in range(100)}
    assert len({value[:NONCE_LENGTH] for value in sealed}) == 100


@pytest.mark.parametrize(
    "place",
    [
        ("device", "rendezvous_root", 8),
        ("device", "public", 7),
        ("totp", "rendezvous_root", 7),
        ("device", "rendezvous_root"),
        ("device", "rendezvous_root", 7, 0),
        ("devicerendezvous_root", "", 7),
        ("device", "rendezvous_roo", "t7"),
    ],
)
def test_at_another_place_it_is_nothing(place: tuple[str | int, ...]) -> None:
    sealed = Seal(KEY).seal(SECRET, *PLACE)
    with pytest.raises(SealBrokenError):
        Seal(KEY).unseal(sealed, *place)


def test_under_another_key_it_is_nothing() -> None:
    with pytest.raises(SealBrokenError, match=r"^device/rendezvous_root$"):
        Seal(bytes(32)).unseal(Seal(KEY).seal(SECRET, *PLACE), *PLACE)


def test_every_changed_byte_is_noticed() -> None:
    sealed = Seal(KEY).seal(SECRET, *PLACE)
    for position, bit in itertools.product(range(len(sealed)), (1, 128)):
        changed = bytearray(sealed)
        changed[position] ^= bit
        with pytest.raises(SealBrokenError):
            Seal(KEY).unseal(bytes(changed), *PLACE)


@pytest.mark.parametrize("length", [0, 5, 12, 27, 32])
def test_what_is_cut_is_noticed(length: int) -> None:
    with pytest.raises(SealBrokenError):
        Seal(KEY).unseal(Seal(KEY).seal(SECRET, *PLACE)[:length], *PLACE)


def test_without_a_key_values_stay_as_they_are() -> None:
    assert not Seal()
    assert Seal().seal(SECRET, *PLACE) == SECRET
    assert Seal().unseal(SECRET, *PLACE) == SECRET
    assert Seal(KEY)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(bytes(length))
