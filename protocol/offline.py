"""pure. The response that a device computes without a network (SPEC section 7.2).

The relay must never import this module.
"""

from typing import Final

from protocol.kdf import kdf
from protocol.limits import KEY_LENGTH
from protocol.ocra import ocra

SUITE: Final = "OCRA-1:HOTP-SHA256-8:QN08"
RESPONSE_DIGITS: Final = 8


def offline_key(ratchet_root: bytes) -> bytes:
    """K_off (32 bytes) of a generation, from R_g (32 bytes): it goes void when R_g does."""
    return kdf(ratchet_root, "offline", b"", KEY_LENGTH)


def response(key: bytes, passcode: str) -> str:
    """The 8 digits that answer a passcode's 8 digits, under K_off."""
    return ocra(SUITE, key, passcode)


def display(answer: str) -> str:
    """As people read it: `0817 4402`."""
    return f"{answer[:4]} {answer[4:]}"


def parse(typed: str) -> str | None:
    """The 8 digits of what was typed, with spaces and hyphens allowed; None when it has others."""
    digits = typed.replace(" ", "").replace("-", "")
    good = len(digits) == RESPONSE_DIGITS and digits.isascii() and digits.isdigit()
    return digits if good else None
