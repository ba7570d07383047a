import base64
import hashlib
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.enrolment import Offer, OfferError
from tests.protocol.test_enrolment import OFFER

URI = OFFER.encode()
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
LETTERS = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Cs")
)
OFFERS = st.builds(
    Offer,
    agent_public=st.binary(min_size=32, max_size=32),
    secret=st.binary(min_size=32, max_size=32),
    expires=st.integers(0, 2**64 - 1),
    shard=st.integers(0, 255),
    relays=st.lists(st.text(LETTERS, max_size=24), min_size=1, max_size=4).map(tuple),
    host=st.text(LETTERS, max_size=32),
)


@given(OFFERS)
def test_what_is_shown_can_be_scanned(offer: Offer) -> None:
    assert Offer.decode(offer.encode()) == offer


def test_the_code_is_base32_without_padding() -> None:
    scheme, _, code = URI.partition(":")
    assert scheme == "bartizan"
    assert set(code) <= set(ALPHABET)


@pytest.mark.parametrize(
    "typed",
    [
        URI,
        URI.upper(),
        f"  {URI}\n",
        "\r\n".join(URI[i : i + 20] for i in range(0, len(URI), 20)),
        " ".join(URI[i : i + 4] for i in range(0, len(URI), 4)),
        "-".join(URI[i : i + 4] for i in range(0, len(URI), 4)).upper(),
        "\t".join(URI),
    ],
    ids=["as shown", "upper", "around", "lines", "groups", "hyphens", "tabs"],
)
def test_how_it_is_typed_does_not_matter(typed: str) -> None:
    assert Offer.decode(typed) == OFFER


def decoded(uri: str) -> Offer | None:
    try:
        return Offer.decode(uri)
    except OfferError:
        return None


def test_every_wrong_character_is_found() -> None:
    """But for the last one: base32 leaves bits of it unused, and there the offer is the same."""
    start = len("bartizan:")
    for position in range(start, len(URI)):
        for wrong in set(ALPHABET + "0189=!ä") - {URI[position]}:
            offer = decoded(URI[:position] + wrong + URI[position + 1 :])
            assert offer is None or (offer == OFFER and position == len(URI) - 1)


def test_every_transposition_and_every_character_left_out_or_doubled_is_found() -> None:
    start = len("bartizan:")
    for i in range(start, len(URI)):
        assert decoded(URI[:i] + URI[i + 1 :]) is None
        assert decoded(URI[:i] + URI[i] * 2 + URI[i + 1 :]) is None
        swapped = URI[:i] + URI[i + 1 : i + 2] + URI[i] + URI[i + 2 :]
        assert decoded(swapped) == (OFFER if swapped == URI else None)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "begins with bartizan:"),
        ("https://example.net", "begins with bartizan:"),
        (URI.partition(":")[2], "begins with bartizan:"),
        ("bartizan:!", "character"),
        ("bartizan:ä", "character"),
        ("bartizan:a", "character"),
        ("bartizan:", "incomplete or mistyped"),
        ("bartizan:aaaaaaaa", "incomplete or mistyped"),
        (URI[:-8], "incomplete or mistyped|character"),
    ],
)
def test_the_error_says_what_is_wrong(typed: str, why: str) -> None:
    with pytest.raises(OfferError, match=why):
        Offer.decode(typed)


@given(st.text(max_size=40) | st.text(ALPHABET + "=018 -", max_size=200).map("bartizan:".__add__))
def test_any_text_gives_an_offer_or_the_error(typed: str) -> None:
    decoded(typed)


@given(st.integers(0, len(URI) - 1), st.characters())
def test_any_character_anywhere_gives_an_offer_or_the_error(position: int, character: str) -> None:
    assert decoded(URI[:position] + character + URI[position + 1 :]) in (None, OFFER)
    assert decoded(URI[:position] + character + URI[position:]) in (None, OFFER)


# ---- what is in the code -------------------------------------------------------------------------

FIELDS = {
    0: 1,
    1: OFFER.agent_public,
    2: OFFER.secret,
    3: OFFER.expires,
    4: OFFER.shard,
    5: OFFER.relays,
    6: OFFER.host,
}


def sealed(body: bytes) -> str:
    """A body with a right checksum, as a URI."""
    code = base64.b32encode(body + hashlib.sha256(body).digest()[:4]).decode()
    return "bartizan:" + code.rstrip("=").lower()


def test_the_body_is_a_map_of_seven_fields() -> None:
    assert sealed(msgpack.packb(FIELDS)) == URI


@pytest.mark.parametrize("expires", [0, 1, 2**64 - 1])
def test_whether_it_has_expired_is_not_decided_here(expires: int) -> None:
    assert Offer.decode(replace(OFFER, expires=expires).encode()).expires == expires


@pytest.mark.parametrize(
    "change",
    [
        *({key: None} for key in FIELDS),
        {0: 2},
        {1: bytes(31)},
        {1: bytes(33)},
        {2: bytes(31)},
        {2: "a" * 32},
        {3: -1},
        {3: 1.5},
        {4: 256},
        {4: True},
        {5: ()},
        {5: ("a",) * 5},
        {5: "a"},
        {5: (1,)},
        {5: ("a" * 97,)},
        {6: "x" * 129},
        {6: b"host"},
        {6: {0: 1}},
    ],
    ids=str,
)
def test_refused_fields(change: dict[int, object]) -> None:
    assert decoded(sealed(msgpack.packb(FIELDS | change))) is None


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_is_required(key: int) -> None:
    assert decoded(sealed(msgpack.packb({k: v for k, v in FIELDS.items() if k != key}))) is None


@given(st.binary(max_size=100))
def test_any_sealed_bytes_are_refused(body: bytes) -> None:
    assert decoded(sealed(body)) is None


def test_later_fields_are_ignored_and_texts_cleaned() -> None:
    more = FIELDS | {5: ("a\u202eb:1",), 6: "ho\nst", 7: "later"}
    assert Offer.decode(sealed(msgpack.packb(more))) == replace(
        OFFER, relays=("ab:1",), host="host"
    )


def test_a_long_host_label_is_cut() -> None:
    assert Offer.decode(replace(OFFER, host="x" * 200).encode()).host == "x" * 125 + "…"


def test_the_longest_offer_is_one_qr_code() -> None:
    """At most 4296 alphanumeric characters fit a QR code."""
    longest = replace(OFFER, expires=2**64 - 1, relays=("r" * 96,) * 4, host="h" * 128)
    assert len(longest.encode()) < 1200
