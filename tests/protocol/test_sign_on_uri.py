import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.passcode import with_check_digit
from protocol.sign_on_uri import SCHEME, SignOnUriError, decode, encode, is_sign_on_uri
from protocol.signon_messages import MAX_HOST

DIGITS = with_check_digit("4921773")
ALPHANUMERIC = re.compile(r"[0-9A-Z $%*+\-./:]+")
"""What the small kind of QR codes can hold (ISO/IEC 18004, table 5)."""


def test_a_uri_for_people_who_read_qr_codes():
    assert encode("web1", DIGITS) == f"BARTIZAN-SIGNON:WEB1/{DIGITS}"
    assert decode(f"bartizan-signon:web1/{DIGITS[:4]}-{DIGITS[4:]}") == ("web1", DIGITS)


@given(st.text(min_size=1).filter(lambda host: len(host.encode(errors="replace")) <= MAX_HOST))
def test_any_label_fits_the_small_kind_of_qr_codes(host: str):
    try:
        uri = encode(host, DIGITS)
    except UnicodeEncodeError:
        return  # half a character: no label has it
    assert ALPHANUMERIC.fullmatch(uri)
    assert is_sign_on_uri(uri)


@pytest.mark.parametrize("host", ["web1", "a_b~c d/e", "über.example", "漢字", "100%", "h" * 128])
def test_a_label_comes_back_without_its_case(host: str):
    label, digits = decode(encode(host, DIGITS))
    assert label.casefold() == host.casefold()
    assert digits == DIGITS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web1",
        "bartizan:abcd",
        SCHEME,
        f"{SCHEME}/{DIGITS}",
        f"{SCHEME}%E2%80%8B/{DIGITS}",
        f"{SCHEME}web1/12345678",
        f"{SCHEME}web1/",
        f"{SCHEME}web1",
        f"{SCHEME}{'h' * 1000}/{DIGITS}",
    ],
)
def test_what_is_none_is_refused_without_repeating_it(text: str):
    with pytest.raises(SignOnUriError) as caught:
        decode(text)
    assert DIGITS not in str(caught.value)
    assert "web1" not in str(caught.value)


@given(st.text())
def test_any_text_gives_the_one_error(text: str):
    for each in (text, SCHEME + text):
        try:
            host, digits = decode(each)
        except SignOnUriError:
            continue
        assert host
        assert len(digits) == 8


def test_what_is_hidden_in_a_label_is_gone():
    assert decode(f"{SCHEME}we%E2%80%AEb1/{DIGITS}")[0] == "web1"
