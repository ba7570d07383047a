import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.text import clean
from validator.layout import (
    INDENT,
    LABEL_COLUMNS,
    LEAST_WIDTH,
    MOST_WIDTH,
    Tone,
    field,
    paragraph,
    text_columns,
    usable_width,
    wrap,
)

VALUE_COLUMN = INDENT + LABEL_COLUMNS


@pytest.mark.parametrize(
    ("columns", "width"),
    [(0, LEAST_WIDTH - 1), (39, LEAST_WIDTH - 1), (80, 79), (500, MOST_WIDTH - 1)],
)
def test_width_is_within_bounds_and_leaves_the_last_column(columns: int, width: int):
    assert usable_width(columns) == width


def test_columns_of_wide_and_combining_characters():
    assert text_columns("abc") == 3
    assert text_columns("漢字") == 4
    assert text_columns("e\u0301") == 1


def test_wrapping_prefers_spaces():
    assert list(wrap("one two three", 8)) == ["one two ", "three"]
    assert list(wrap("abcdefghij", 4)) == ["abcd", "efgh", "ij"]
    assert list(wrap("", 4)) == [""]


@given(st.text(max_size=200), st.integers(20, 90))
def test_no_piece_is_wider_than_its_room_and_nothing_is_lost(text: str, columns: int):
    pieces = list(wrap(text, columns))
    assert all(text_columns(piece) <= columns for piece in pieces)
    assert "".join(pieces) == clean(text)


@given(st.text(max_size=200))
def test_a_value_never_reaches_the_column_of_labels(value: str):
    lines = field("Note", value, 60)
    assert lines[0].text.startswith("  Note ")
    for line in lines:
        assert text_columns(line.text) <= 60
        assert line.text == clean(line.text)
    for line in lines[1:]:
        assert line.text.startswith(" " * VALUE_COLUMN)


def test_a_wide_value_cannot_pose_as_a_label():
    attack = "漢" * 21 + "  Host             prod"
    for line in field("Note", attack, 60)[1:]:
        assert line.text[:VALUE_COLUMN] == " " * VALUE_COLUMN


@pytest.mark.parametrize("value", ["", "   ", "\u200b", "\n"])
def test_an_empty_value_is_said_to_be_so(value: str):
    (line,) = field("Terminal", value, 60)
    assert line.text.endswith("(not stated)")
    assert line.tone is Tone.QUIET


def test_a_paragraph_keeps_its_tone():
    lines = paragraph("one two three four", 10, Tone.WARNING)
    assert [line.text for line in lines] == ["one two", "three four"]
    assert {line.tone for line in lines} == {Tone.WARNING}
