"""pure. One-time passwords of the RFCs: HOTP (RFC 4226) and OCRA (RFC 6287).

The relay must never import this module.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any, Final

QUESTION_LENGTH: Final = 128
"""Bytes of a question in OCRA's DataInput, whatever was asked."""

_SUITE: Final = re.compile(
    r"OCRA-1:HOTP-SHA(1|256|512)-([68]):(?:C-)?Q([AN])\d\d(?:-PSHA1)?(?:-T1M)?"
)
_HASHES: Final[dict[str, Callable[..., Any]]] = {
    "1": hashlib.sha1,
    "256": hashlib.sha256,
    "512": hashlib.sha512,
}


def hotp(key: bytes, counter: int, digits: int = 6) -> str:
    """HOTP-SHA1 for a counter of 8 bytes; TOTP (RFC 6238) with the time step as the counter."""
    return _truncated(hmac.digest(key, counter.to_bytes(8, "big"), hashlib.sha1), digits)


def ocra(
    suite: str,
    key: bytes,
    question: str,
    *,
    counter: int | None = None,
    pin_hash: bytes = b"",
    time_steps: int | None = None,
) -> str:
    """The response to `question` (decimal for QN, ASCII for QA) under a suite that has both.

    The data inputs that the suite names are to be given, and no others. ValueError for a suite that
    is none, or with questions in hexadecimal.
    """
    parts = _SUITE.fullmatch(suite)
    if parts is None:
        raise ValueError(f"no suite of OCRA that is known here: {suite}")
    hash_name, digits, kind = parts.groups()
    data = b"".join(
        (
            suite.encode("ascii"),
            b"\0",
            _eight(counter),
            _question(kind, question),
            pin_hash,
            _eight(time_steps),
        )
    )
    return _truncated(hmac.digest(key, data, _HASHES[hash_name]), int(digits))


def _question(kind: str, question: str) -> bytes:
    """A number's hexadecimal digits, or the text, at the left of QUESTION_LENGTH bytes."""
    if kind == "N":
        return bytes.fromhex(f"{int(question):x}".ljust(2 * QUESTION_LENGTH, "0"))
    return question.encode("ascii").ljust(QUESTION_LENGTH, b"\0")


def _eight(number: int | None) -> bytes:
    return b"" if number is None else number.to_bytes(8, "big")


def _truncated(mac: bytes, digits: int) -> str:
    """The dynamic truncation of RFC 4226, section 5.3."""
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"
