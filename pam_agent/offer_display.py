"""pure. An enrolment code for people: as a QR code of half blocks, and grouped for typing."""

import io
from typing import Final

import segno

from protocol.enrolment import SCHEME

GROUP: Final = 5
GROUPS_PER_LINE: Final = 8
QUIET_ZONE: Final = 2
"""Light modules around the code; the standard says 4, scanners do with 2 on a screen."""


def qr_lines(uri: str, *, keep_case: bool = False) -> list[str]:
    """The lines of the QR code, light modules in the foreground colour.

    In upper case the code is alphanumeric, which needs 5.5 bits a character instead of 8; what
    others read may not survive that.
    """
    code = segno.make_qr(uri if keep_case else uri.upper(), error="l")
    out = io.StringIO()
    code.terminal(out, compact=True, border=QUIET_ZONE)
    return out.getvalue().splitlines()


def typed_lines(uri: str) -> list[str]:
    """The code in groups; a reader ignores hyphens and line ends."""
    code = uri.removeprefix(SCHEME)
    groups = [code[start : start + GROUP] for start in range(0, len(code), GROUP)]
    return [
        SCHEME,
        *(
            "-".join(groups[start : start + GROUPS_PER_LINE])
            for start in range(0, len(groups), GROUPS_PER_LINE)
        ),
    ]
