from hypothesis import given
from hypothesis import strategies as st

from protocol import sign_on_id


def test_ids_are_eight_bytes_and_differ() -> None:
    ids = {sign_on_id.generate() for _ in range(100)}
    assert len(ids) == 100
    assert {len(i) for i in ids} == {8}


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_the_short_form_is_thirteen_characters_and_names_one_id(one: bytes, other: bytes) -> None:
    short = sign_on_id.display(one)
    assert len(short) == 13
    assert set(short) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert (sign_on_id.display(other) == short) == (one == other)


def test_a_known_short_form() -> None:
    assert sign_on_id.display(bytes(range(8))) == "aaaqeayeaudao"
