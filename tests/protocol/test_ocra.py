"""The vectors of the RFCs, for every suite that the code takes; another implementation as peer."""

import hashlib

import oath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ocra import hotp, ocra

DIGITS = b"12345678901234567890"
KEY_20 = DIGITS
KEY_32 = (DIGITS * 2)[:32]
KEY_64 = (DIGITS * 4)[:64]
"""RFC 6287, appendix C: the standard test keys."""
PIN = hashlib.sha1(b"1234").digest()
MINUTES = 0x132D0B6


def repeated(count: int) -> list[str]:
    return [str(digit) * 8 for digit in range(count)]


def mutual(first: str, second: str) -> list[str]:
    return [f"{first}{n}{second}{n}" for n in range(5)]


CLIENT, SERVER = "CLI2222", "SRV1111"
RFC_6287 = [
    (
        "OCRA-1:HOTP-SHA1-6:QN08",
        KEY_20,
        repeated(10),
        "237653 243178 653583 740991 608993 388898 816933 224598 750600 294470",
        {},
    ),
    (
        "OCRA-1:HOTP-SHA256-8:QN08-PSHA1",
        KEY_32,
        repeated(5),
        "83238735 01501458 17957585 86776967 86807031",
        {"pin_hash": PIN},
    ),
    (
        "OCRA-1:HOTP-SHA512-8:QN08-T1M",
        KEY_64,
        repeated(5),
        "95209754 55907591 22048402 24218844 36209546",
        {"time_steps": MINUTES},
    ),
    (
        "OCRA-1:HOTP-SHA256-8:QA08",
        KEY_32,
        mutual(CLIENT, SERVER),
        "28247970 01984843 65387857 03351211 83412541",
        {},
    ),
    (
        "OCRA-1:HOTP-SHA256-8:QA08",
        KEY_32,
        mutual(SERVER, CLIENT),
        "15510767 90175646 33777207 95285278 28934924",
        {},
    ),
    (
        "OCRA-1:HOTP-SHA512-8:QA08",
        KEY_64,
        mutual(CLIENT, SERVER),
        "79496648 76831980 12250499 90856481 12761449",
        {},
    ),
    (
        "OCRA-1:HOTP-SHA512-8:QA08-PSHA1",
        KEY_64,
        mutual(SERVER, CLIENT),
        "18806276 70020315 01600026 18951020 32528969",
        {"pin_hash": PIN},
    ),
    (
        "OCRA-1:HOTP-SHA256-8:QA08",
        KEY_32,
        [f"SIG1{n}000" for n in range(5)],
        "53095496 04110475 31331128 76028668 46554205",
        {},
    ),
    (
        "OCRA-1:HOTP-SHA512-8:QA10-T1M",
        KEY_64,
        [f"SIG1{n}00000" for n in range(5)],
        "77537423 31970405 10235557 95213541 65360607",
        {"time_steps": MINUTES},
    ),
]


@pytest.mark.parametrize(("suite", "key", "questions", "responses", "inputs"), RFC_6287)
def test_rfc_6287(
    suite: str, key: bytes, questions: list[str], responses: str, inputs: dict[str, object]
) -> None:
    found = [ocra(suite, key, question, **inputs) for question in questions]  # type: ignore[arg-type]
    assert found == responses.split()


PIN_AND_COUNTER = (
    "65347737 86775851 78192410 71565254 10104329 65983500 70069104 91771096 75011558 08522129"
)
COUNTER = (
    "07016083 63947962 70123924 25341727 33203315 34205738 44343969 51946085 20403879 31409299"
)


def test_rfc_6287_with_a_counter() -> None:
    suite = "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1"
    found = [ocra(suite, KEY_32, "12345678", counter=n, pin_hash=PIN) for n in range(10)]
    assert " ".join(found) == PIN_AND_COUNTER
    suite = "OCRA-1:HOTP-SHA512-8:C-QN08"
    found = [ocra(suite, KEY_64, str(n) * 8, counter=n) for n in range(10)]
    assert " ".join(found) == COUNTER


RFC_4226 = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489"


def test_rfc_4226() -> None:
    assert " ".join(hotp(DIGITS, counter) for counter in range(10)) == RFC_4226


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_rfc_6238(seconds: int, code: str) -> None:
    assert hotp(DIGITS, seconds // 30, 8) == code


@pytest.mark.parametrize(
    "suite",
    [
        "",
        "OCRA-1:HOTP-SHA256-8",
        "OCRA-1:HOTP-SHA256-8:QH08",  # hexadecimal: RFC 6287 has no vector of it
        "OCRA-1:HOTP-SHA256-0:QN08",
        "OCRA-1:HOTP-MD5-8:QN08",
        "OCRA-2:HOTP-SHA256-8:QN08",
        "OCRA-1:HOTP-SHA256-8:QN08-S064",
        "OCRA-1:HOTP-SHA256-8:QN08 ",
    ],
)
def test_other_suites_are_refused(suite: str) -> None:
    with pytest.raises(ValueError, match="no suite"):
        ocra(suite, KEY_32, "00000000")


@given(st.binary(min_size=1, max_size=64), st.integers(0, 10**8 - 1))
def test_another_implementation_agrees(key: bytes, number: int) -> None:
    suite, question = "OCRA-1:HOTP-SHA256-8:QN08", f"{number:08d}"
    assert ocra(suite, key, question) == oath.str2ocrasuite(suite)(key, Q=question)


@given(st.binary(min_size=1, max_size=64), st.integers(0, 2**63))
def test_another_implementation_agrees_on_hotp(key: bytes, counter: int) -> None:
    assert hotp(key, counter) == oath.hotp(key.hex(), counter)
