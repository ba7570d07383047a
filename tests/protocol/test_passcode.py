import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import passcode
from protocol.passcode import MistypedError

SAMPLE = [passcode.with_check_digit(f"{number:07d}") for number in range(0, 10**7, 9973)]
"""1003 passcodes over the whole range."""


def accepted(typed: str) -> bool:
    try:
        passcode.parse(typed)
    except MistypedError:
        return False
    return True


def test_the_quasigroup_is_weakly_totally_anti_symmetric() -> None:
    """A Latin square with zeros on its diagonal, and (c*x)*y = (c*y)*x only for x = y."""
    op = passcode._DAMM
    digits = range(10)
    for row in digits:
        assert sorted(op[row]) == list(digits)
        assert sorted(op[i][row] for i in digits) == list(digits)
        assert op[row][row] == 0
    for x in digits:
        for y in digits:
            if x != y:
                assert all(op[op[c][x]][y] != op[op[c][y]][x] for c in digits)


def test_the_published_example() -> None:
    assert passcode._interim("572") == 4


def test_every_wrong_digit_is_found() -> None:
    for code in SAMPLE:
        for position, right in enumerate(code):
            for wrong in set("0123456789") - {right}:
                assert not accepted(code[:position] + wrong + code[position + 1 :])


def test_every_transposition_of_neighbours_is_found() -> None:
    for code in SAMPLE:
        for i in range(len(code) - 1):
            swapped = code[:i] + code[i + 1] + code[i] + code[i + 2 :]
            assert accepted(swapped) == (swapped == code)


def test_passcodes_are_random_and_right() -> None:
    codes = [passcode.generate() for _ in range(1000)]
    assert all(passcode.parse(code) == code and len(code) == 8 for code in codes)
    assert len(set(codes)) > 990
    assert {code[0] for code in codes} == set("0123456789")


@pytest.mark.parametrize(
    "typed", ["0000 0000", " 00000000 ", "0000-0000", "0-0-0-0-0-0-0-0", "00 00 00 00"]
)
def test_spaces_and_hyphens_do_not_matter(typed: str) -> None:
    assert passcode.parse(typed) == "00000000"


@given(st.integers(0, 10**7 - 1))
def test_what_is_shown_can_be_typed(number: int) -> None:
    code = passcode.with_check_digit(f"{number:07d}")
    assert passcode.parse(passcode.display(code)) == code
    assert passcode.display(code) == f"{code[:4]} {code[4:]}"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "only digits"),
        (" - ", "only digits"),
        ("4921773x", "only digits"),
        ("\uff10" * 8, "only digits"),
        ("\u0660" * 8, "only digits"),
        ("\u00b2" * 8, "only digits"),
        ("0000000", "has 8 digits, this has 7"),
        ("000000000", "has 8 digits, this has 9"),
        ("00000001", "a digit is wrong"),
    ],
)
def test_the_error_says_what_is_wrong(typed: str, why: str) -> None:
    with pytest.raises(MistypedError, match=why) as caught:
        passcode.parse(typed)
    assert not typed.strip(" -") or typed not in str(caught.value)


@given(st.text(max_size=12) | st.text("0123456789 -", max_size=12))
def test_any_text_gives_a_passcode_or_the_error(typed: str) -> None:
    try:
        code = passcode.parse(typed)
    except MistypedError:
        return
    assert len(code) == passcode.LENGTH
    assert code == typed.replace(" ", "").replace("-", "")
    assert passcode.with_check_digit(code[:-1]) == code
