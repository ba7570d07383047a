"""pure. The sign-on id, by which one sign-on is followed through terminal, logs and device."""

import secrets
from typing import Final

from protocol.limits import SIGN_ON_ID_LENGTH

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]


def generate() -> bytes:
    """8 random bytes, chosen by the agent."""
    return secrets.token_bytes(SIGN_ON_ID_LENGTH)


def display(sign_on_id: bytes) -> str:
    """Its short form: RFC 4648 base32 in lower case without padding, 13 characters.

    Two at a time, from numbers that fit a processor's: a relay writes as many ids as it has
    sign-ons.
    """
    a, b, c, d, e, f, g, h = sign_on_id
    first = a << 32 | b << 24 | c << 16 | d << 8 | e  # 40 bits
    rest = f << 17 | g << 9 | h << 1  # 25
    return (
        f"{_PAIRS[first >> 30]}{_PAIRS[first >> 20 & 0x3FF]}{_PAIRS[first >> 10 & 0x3FF]}"
        f"{_PAIRS[first & 0x3FF]}{_PAIRS[rest >> 15]}{_PAIRS[rest >> 5 & 0x3FF]}"
        f"{_ALPHABET[rest & 0x1F]}"
    )
