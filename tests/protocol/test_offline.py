import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import offline, passcode

ROOT = bytes(range(32))


def test_the_key_is_the_roots_and_no_other_derivation() -> None:
    key = offline.offline_key(ROOT)
    assert len(key) == 32
    assert key not in (ROOT, offline.offline_key(ROOT[::-1]))


def test_a_response_belongs_to_one_passcode_under_one_key() -> None:
    key, code = offline.offline_key(ROOT), passcode.with_check_digit("4921773")
    answer = offline.response(key, code)
    assert answer == offline.response(key, code)
    assert answer != offline.response(key, passcode.with_check_digit("4921774"))
    assert answer != offline.response(offline.offline_key(ROOT[::-1]), code)


def test_responses_use_all_digits() -> None:
    key = offline.offline_key(ROOT)
    codes = [passcode.with_check_digit(f"{n}") for n in range(10**6, 10**6 + 1000)]
    answers = [offline.response(key, code) for code in codes]
    assert len(set(answers)) == 1000
    assert {answer[0] for answer in answers} == set("0123456789")


def test_two_passcodes_may_have_one_response() -> None:
    """OCRA puts a number's hexadecimal digits at the left, so N and 16 N are one question."""
    key = offline.offline_key(ROOT)
    assert passcode.parse("00000264")
    assert passcode.parse("00004224")
    assert offline.response(key, "00000264") == offline.response(key, "00004224")


@given(st.text(alphabet="0123456789", min_size=8, max_size=8), st.data())
def test_what_is_shown_can_be_typed(answer: str, data: st.DataObject) -> None:
    assert offline.parse(offline.display(answer)) == answer
    blanks = st.sampled_from(["", " ", "-", " - "])
    assert offline.parse("".join(data.draw(blanks) + digit for digit in answer)) == answer


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "1234567",
        "123456789",
        "1234567x",
        "yes",
        "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
        "1234\t5678",
        "²2345678",
    ],
)
def test_what_is_no_response(typed: str) -> None:
    assert offline.parse(typed) is None


@given(st.text())
def test_any_text_is_a_response_or_none(typed: str) -> None:
    found = offline.parse(typed)
    assert found is None or (len(found) == 8 and found.isascii() and found.isdigit())
