"""pure. An enrolment offer, scanned or typed, against another implementation of SPEC 6.1."""

import base64
import hashlib
from collections.abc import Iterator

from protocol import canonical
from protocol.enrolment import SCHEME, Offer, OfferError
from protocol.text import clean
from tests.fuzz.script import Script
from tests.fuzz.vectors import load
from tests.protocol import independent

LONGEST = 1200
TYPED, CHECKED = range(2)


def coded(body: bytes) -> str:
    """Any body with the right checksum: the fuzzer cannot find that by itself."""
    code = base64.b32encode(body + hashlib.sha256(body).digest()[:4]).decode()
    return SCHEME + code.rstrip("=").lower()


def once(data: bytes) -> None:
    """u8 typed or checked | UTF-8 text, or the body behind the checksum."""
    script = Script(data)
    typed = script.number() % 2 == TYPED
    uri = script.rest().decode(errors="replace") if typed else coded(script.rest())
    try:
        expected = independent.read_offer(uri)
    except independent.RefusedError:
        expected = None
    try:
        offer = Offer.decode(uri)
    except OfferError:
        assert expected is None
        return
    assert expected is not None
    assert list(offer.relays) == [clean(relay) for relay in expected.pop("relays")]
    assert offer.host == clean(expected.pop("host"))
    assert {name: getattr(offer, name) for name in expected} == expected
    assert Offer.decode(offer.encode()) == offer
    assert Offer.decode(f" {offer.encode().upper()}-\n") == offer


def seeds() -> Iterator[bytes]:
    vectors = load("enrolment")
    for uri in (vectors["uri"], *vectors["typed"], *vectors["mistyped"]):
        yield bytes((TYPED,)) + uri.encode()
    offer = Offer.decode(vectors["uri"])
    fields = {0: 1, 1: offer.agent_public, 2: offer.secret, 3: offer.expires, 4: 1}
    for relays in (("a:1",), ("a:1",) * 4, ("a:1",) * 5, ()):
        yield bytes((CHECKED,)) + canonical.encode({**fields, 5: relays, 6: "host"})
    yield bytes((CHECKED,)) + canonical.encode({**fields, 5: ("a:1",), 6: "host", 9: b"later"})
    yield bytes((CHECKED,)) + canonical.encode({0: 2})
