"""pure. The PIN of an enrolment: it hides the ratchet root, and nothing on the device can check it.

    stored root = R_g xor pad,   pad = Argon2id(PIN, salt), 32 bytes

Any 32 bytes can be a root, so every PIN opens the record to something, and only the host can tell
which of them is R_g: it counts the wrong ones, and disables the device at the tenth in a row. One
root must never be stored under two pads, or under a pad and bare: whoever had both files could try
PINs until the two agree. So the pad changes with the root only, see `Record.under`.
"""

import re
import secrets
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from protocol.limits import KEY_LENGTH

MIN_DIGITS: Final = 6
"""NIST SP 800-63B-4 demands 4 of an activation secret and recommends 6. With ten guesses at each
host and one PIN for 50 hosts, 4 digits would fall with a chance of 5 %, and 6 with 0.05 %."""
MAX_DIGITS: Final = 12
"""Beyond it people write it down; and a longer secret deserves more than digits."""

SALT_LENGTH: Final = 16

# The second recommended choice of RFC 9106, section 4, for whatever has little memory: 64 MiB are
# there on any device, and nothing rests on this slowness alone. It counts for a thief who has, with
# the store, something to check guesses against (THREAT-MODEL.md).
ITERATIONS: Final = 3
LANES: Final = 4
MEMORY_KIB: Final = 64 * 1024


class PinError(ValueError):
    """What was typed cannot be a PIN; the message says why, without repeating it."""


@dataclass(frozen=True)
class Pin:
    """6 to 12 digits, not in repr."""

    digits: str = field(repr=False)

    @staticmethod
    def typed(text: str) -> "Pin":
        """A PIN that may be right. Raises PinError for what none can be, also not by mistake."""
        if not (text.isascii() and text.isdigit()):
            raise PinError("a PIN has only digits")
        if not MIN_DIGITS <= len(text) <= MAX_DIGITS:
            raise PinError(f"a PIN has {MIN_DIGITS} to {MAX_DIGITS} digits")
        return Pin(text)

    @staticmethod
    def chosen(text: str) -> "Pin":
        """A new PIN. Raises PinError also for one that is among the first to be guessed."""
        pin = Pin.typed(text)
        if _is_pattern(text):
            raise PinError("this PIN is a simple pattern, among the first that a thief would try")
        return pin


def _is_pattern(digits: str) -> bool:
    """Whether a PIN is one of those that people choose first.

    Two different digits at most (110000), a part that is repeated (123123), even steps (135791),
    in pairs (112233), or there and back again (123321).
    """
    candidates = [digits]
    if digits[::2] == digits[1::2]:
        candidates.append(digits[::2])
    if digits == digits[::-1]:
        candidates.append(digits[: (len(digits) + 1) // 2])
    return (
        len(set(digits)) <= _FEW
        or _REPEATED.fullmatch(digits) is not None
        or any(map(_has_even_steps, candidates))
    )


_FEW: Final = 2
_REPEATED: Final = re.compile(r"(.+)\1+")


def _has_even_steps(digits: str) -> bool:
    return len({(int(after) - int(before)) % 10 for before, after in pairwise(digits)}) == 1


@dataclass(frozen=True)
class Pad:
    """What a PIN and a salt (16 bytes) make: 32 bytes to hide a root with, not in repr."""

    salt: bytes
    value: bytes = field(repr=False)

    @staticmethod
    def of(pin: Pin, salt: bytes) -> "Pad":
        """Takes a tenth of a second or more of two processors, and 64 MiB."""
        argon2 = Argon2id(
            salt=salt,
            length=KEY_LENGTH,
            iterations=ITERATIONS,
            lanes=LANES,
            memory_cost=MEMORY_KIB,
        )
        return Pad(salt, argon2.derive(pin.digits.encode("ascii")))

    @staticmethod
    def new(pin: Pin) -> "Pad":
        """With a salt of its own, also for the same PIN at another host."""
        return Pad.of(pin, secrets.token_bytes(SALT_LENGTH))

    def applied(self, root: bytes) -> bytes:
        """Hides a root (32 bytes), or shows it again."""
        return bytes(one ^ other for one, other in zip(root, self.value, strict=True))
