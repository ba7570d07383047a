"""Enrolment codes in whatever text hosts and people make of them."""

import json
import secrets
import textwrap

import click
import pytest

from pam_agent.offer_display import typed_lines
from protocol.enrolment import Offer
from validator.offers_input import offers_in


def offer(host: str) -> Offer:
    return Offer(
        secrets.token_bytes(32),
        secrets.token_bytes(32),
        2_000_000_000,
        7,
        ("relay.example.net:4817",),
        host,
    )


OFFERS = [offer("web1"), offer("web2"), offer("db-1")]
CODES = [each.encode() for each in OFFERS]

TEXTS = {
    "a line each": "\n".join(CODES),
    "one line": " ".join(CODES),
    "capitals, as in a QR code": "\n".join(CODES).upper(),
    "wrapped": "\n\n".join("\n".join(textwrap.wrap(code, 37)) for code in CODES),
    "events of many hosts": "".join(
        json.dumps({"event": "offer", "uri": code, "expires": 2_000_000_000})
        + "\n"
        + json.dumps({"event": "waiting", "for": "the device"})
        + "\n"
        for code in CODES
    ),
    "as it is shown to people": "".join(
        f"Enrolment of a device for ada.\n{chr(10).join(typed_lines(code))}\nIt is valid for ten "
        "minutes, and once.\nSomebody has used it - who?\n"
        for code in CODES
    ),
    "twice": "\n".join(CODES * 2),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_all_offers_are_found_once(text: str):
    assert offers_in(text) == OFFERS


def test_one():
    assert offers_in(f"\n {CODES[0]}\n") == OFFERS[:1]


@pytest.mark.parametrize("text", ["", "http://example.net", "\n", "bartizan"])
def test_none(text: str):
    with pytest.raises(click.UsageError, match=r"begins with bartizan:\. Nothing was sent"):
        offers_in(text)


@pytest.mark.parametrize("damage", ["bartizan:", "bartizan:\n\n", "bartizan:aaaa", "bartizan:é"])
def test_what_is_no_code_among_others_is_named(damage: str):
    with pytest.raises(click.UsageError, match=r"^code 2: ") as caught:
        offers_in("\n".join((CODES[0], damage, CODES[2])))
    assert CODES[0] not in str(caught.value)
    with pytest.raises(click.UsageError, match=r"^(?!code)"):
        offers_in(damage)
