import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator.keypress import KeyReader, Special


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"a", "a"),
        (b"A", "A"),
        (b"\r", Special.ENTER),
        (b"\n", Special.ENTER),
        (b"\x03", Special.LEAVE),
        (b"\x04", Special.LEAVE),
    ],
)
def test_one_key(data: bytes, key: str | Special):
    assert KeyReader().feed(data) == key


@pytest.mark.parametrize(
    "sequence",
    [b"\x1b[A", b"\x1b[a", b"\x1b[1;5a", b"\x1bOa", b"\x1ba", b"\x1b[15~", b"\x1b\x1b[a"],
    ids=repr,
)
def test_a_key_that_sends_a_sequence_is_no_letter_however_it_is_cut(sequence: bytes):
    for cut in range(len(sequence) + 1):
        reader = KeyReader()
        parts = [part for part in (sequence[:cut], sequence[cut:]) if part]
        assert [reader.feed(part) for part in parts] == [None] * len(parts)
        assert reader.feed(b"d") == "d"


@pytest.mark.parametrize("paste", [b"aa", b"approve", b"a\n", b"\na", "ä".encode(), b"a\x00"])
def test_several_keys_at_once_are_none(paste: bytes):
    assert KeyReader().feed(paste) is None


@pytest.mark.parametrize("data", [b"aa\x03", b"\x1b[\x03", b"\x04\n"])
def test_leaving_counts_among_others(data: bytes):
    assert KeyReader().feed(data) is Special.LEAVE


@given(st.lists(st.binary(min_size=1, max_size=6), max_size=20))
def test_only_an_a_alone_is_an_a(chunks: list[bytes]):
    reader = KeyReader()
    for chunk in chunks:
        assert reader.feed(chunk) != "a" or chunk[-1:] == b"a"
