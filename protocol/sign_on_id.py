"""pure. The sign-on id, by which one sign-on is followed through terminal, logs and device."""

import secrets
from typing import Final

from protocol.limits import SIGN_ON_ID_LENGTH

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS: Final = (55, 45, 35, 25, 15, 5)


def generate() -> bytes:
    """8 random bytes, chosen by the agent."""
    return secrets.token_bytes(SIGN_ON_ID_LENGTH)


def display(sign_on_id: bytes) -> str:
    """Its short form: RFC 4648 base32 in lower case without padding, 13 characters.

    Two at a time, for a relay writes as many of them as it has sign-ons.
    """
    number = int.from_bytes(sign_on_id, "big") << 1  # 65 bits
    pairs = [_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS]
    return "".join(pairs) + _ALPHABET[number & 0x1F]
