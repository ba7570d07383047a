import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys
from protocol.kdf import hkdf, kdf
from protocol.keys import Mode

KEY = bytes(range(32))
P = keys.passcode_input(Mode.PASSCODE, "49217734")

RFC_5869 = [
    # RFC 5869 appendix A, the cases with SHA-256: IKM, salt, info, L, OKM
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x00, 0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("ikm", "salt", "info", "length", "okm"), RFC_5869)
def test_hkdf_is_that_of_rfc_5869(ikm: str, salt: str, info: str, length: int, okm: str) -> None:
    ikm_, salt_, info_ = (bytes.fromhex(value) for value in (ikm, salt, info))
    assert hkdf(salt_, ikm_, info_, length).hex() == okm


def test_the_label_is_told_from_the_context() -> None:
    assert kdf(KEY, "rv", b"x", 32) == hkdf(b"bartizan1", KEY, b"\x02rvx", 32)
    assert kdf(KEY, "rv", b"x", 32) != kdf(KEY, "rvx", b"", 32)


def test_every_mode_has_its_number() -> None:
    table = {"ENROLMENT": 0, "PASSCODE": 1, "PUSH": 2, "APPROVER": 4, "PROOF": 5}
    assert {mode.name: mode.value for mode in Mode} == table


def test_the_passcode_input_tells_mode_and_length() -> None:
    assert P == b"\x01\x0849217734"
    assert keys.passcode_input(Mode.PROOF, "") == b"\x05\x00"


def test_the_prologue_has_its_parts_in_order() -> None:
    assert keys.prologue(Mode.PASSCODE, b"T" * 16) == b"bartizan1\x01\x01" + b"T" * 16 + b"VA"


def test_all_derivations_of_one_key_differ() -> None:
    other = keys.passcode_input(Mode.PASSCODE, "49217735")
    push = keys.passcode_input(Mode.PUSH, "49217734")
    derived = [
        *(keys.tag(KEY, p) for p in (P, other, push)),
        *(keys.psk(KEY, p)[:16] for p in (P, other, push)),
        keys.m1mac(KEY, bytes(16), bytes(64)),
        keys.m1mac(KEY, bytes(16), bytes(63) + b"\1"),
        keys.m1mac(KEY, b"\1" + bytes(15), bytes(64)),
    ]
    assert len(set(derived)) == len(derived)
    assert {len(value) for value in derived} == {16}


def test_the_next_root_depends_on_each_part() -> None:
    parts = [bytes((i,)) * 32 for i in range(4)]
    roots = {keys.next_ratchet_root(*parts)}
    for i in range(4):
        roots.add(keys.next_ratchet_root(*parts[:i], b"\xff" * 32, *parts[i + 1 :]))
    assert len(roots) == 5
    assert {len(root) for root in roots} == {32}


@given(st.binary(max_size=5), st.binary(max_size=5))
def test_equal_is_equality(one: bytes, other: bytes) -> None:
    assert keys.equal(one, other) == (one == other)
