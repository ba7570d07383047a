"""pure. The passcode that the host shows and the user carries (SPEC section 3.2)."""

import secrets
from typing import Final

RANDOM_DIGITS: Final = 7
LENGTH: Final = RANDOM_DIGITS + 1
"""7 random digits and 1 Damm check digit."""

# Damm's weakly totally anti-symmetric quasigroup of order 10 (H. Michael Damm, dissertation,
# Marburg 2004): finds every single wrong digit and every transposition of neighbours.
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


class MistypedError(ValueError):
    """What was typed cannot be a passcode; the message says why, without repeating it."""


def generate() -> str:
    """A new passcode, 8 digits, from the operating system's random source."""
    return with_check_digit(f"{secrets.randbelow(10**RANDOM_DIGITS):0{RANDOM_DIGITS}d}")


def with_check_digit(digits: str) -> str:
    return digits + str(_interim(digits))


def parse(typed: str) -> str:
    """The 8 digits of what a user typed, with spaces and hyphens allowed. Raises MistypedError."""
    digits = typed.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit()):
        raise MistypedError("a passcode has only digits")
    if len(digits) != LENGTH:
        raise MistypedError(f"a passcode has {LENGTH} digits, this has {len(digits)}")
    if _interim(digits) != 0:
        raise MistypedError("a digit is wrong: compare with the screen and type it again")
    return digits


def display(passcode: str) -> str:
    """As people read it: `4921 7734`."""
    return f"{passcode[:4]} {passcode[4:]}"


def _interim(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim
