import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.text import clean, fit

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
"""Surrogates too."""


@given(ANY_TEXT)
def test_cleaning_keeps_the_order_and_is_done_once(text: str) -> None:
    cleaned = clean(text)
    rest = iter(text)
    assert all(character in rest for character in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    "unsafe",
    [
        "\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85",  # controls
        "\u200b", "\u200d", "\ufeff", "\u00ad",  # zero width
        "\u200e", "\u202a", "\u202e", "\u2066", "\u2069",  # bidi
        "\u2028", "\u2029",  # line and paragraph separators
        "\ud800", "\ue000", "\uffff", "\U000e0041", "\U0010ffff",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_could_hide_reorder_or_move_is_gone(unsafe: str) -> None:
    assert clean(f"ro{unsafe}ot") == "root"


@pytest.mark.parametrize(
    "text", ["", "root", "Zoë Müller-Łoś", "用户", "sudo -i  # über", "e\u0301", "👍"]
)
def test_what_people_write_stays(text: str) -> None:
    assert clean(text) == text


def test_every_category_was_judged() -> None:
    """One character of each category, and whether it stays."""
    gone = {"Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"}
    first: dict[str, str] = {}
    for number in range(0x110000):
        first.setdefault(unicodedata.category(chr(number)), chr(number))
    assert len(first) == 30
    assert {category for category, character in first.items() if not clean(character)} == gone


@given(ANY_TEXT, st.integers(3, 60))
def test_fit_keeps_to_its_bytes_and_shows_a_cut(text: str, maximum: int) -> None:
    fitted = fit(text, maximum)
    assert len(fitted.encode()) <= maximum
    if len(clean(text).encode()) <= maximum:
        assert fitted == clean(text)
    else:
        assert fitted.endswith("…")
        assert clean(text).startswith(fitted[:-1])
        assert len(fitted.encode()) > maximum - 4


def test_a_cut_falls_between_characters() -> None:
    assert fit("ääää", 7) == "ää…"
    assert fit("ääää", 6) == "ä…"
    assert fit("ääää", 8) == "ääää"
