"""pure. What a device scans from a screen, against another reading of SPEC section 3.2."""

import re
from collections.abc import Iterator

from protocol.passcode import with_check_digit
from protocol.sign_on_uri import SCHEME, SignOnUriError, decode, encode, is_sign_on_uri
from tests.protocol import independent

LONGEST = 450
URI = re.compile(r"bartizan-signon:(.*)/([^/]*)", re.IGNORECASE | re.DOTALL)
ESCAPE = re.compile(rb"%([0-9a-fA-F]{2})")


def read(uri: str) -> tuple[str, str]:
    """Raises RefusedError."""
    found = URI.fullmatch(uri)
    independent.check(found is not None and len(uri) <= 409)
    assert found is not None
    raw = ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), found[1].encode())
    host = independent.clean(raw.decode(errors="replace"))
    independent.check(bool(host.strip()))
    return host, independent.typed_passcode(found[2])


def once(data: bytes) -> None:
    """UTF-8 text."""
    uri = data.decode(errors="replace")
    try:
        expected = read(uri)
    except independent.RefusedError:
        expected = None
    try:
        host, digits = decode(uri)
    except SignOnUriError:
        assert expected is None
        return
    assert (host, digits) == expected
    assert is_sign_on_uri(uri)
    again = encode(host, digits)
    if len(again) <= 409:  # else the host's label would be longer than one may be
        label, same_digits = decode(again)
        assert (label.lower(), same_digits) == (host.lower(), digits)


def seeds() -> Iterator[bytes]:
    digits = with_check_digit("4921773")
    for host in ("web1", "a_b~c d/e", "über.example", "漢字", "100%", "\u200b", "h" * 128):
        yield encode(host, digits).encode()
        yield f"{SCHEME}{host}/{digits[:4]} {digits[4:]}".encode()
    yield f"{SCHEME}web1/12345678".encode()
    yield f"{SCHEME}%E2%80%AEweb1/{digits}".encode()
    yield f"{SCHEME}{'%20' * 140}web1/{digits}".encode()
