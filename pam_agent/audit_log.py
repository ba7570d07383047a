"""pure. The audit log's entries: who was let in or refused by a device, what administrators did.

An entry is written in the transaction of what it tells of. What a stranger can cause without having
been enrolled is in the service's log alone: nobody can push entries out by trying. While a
break-glass is open each sign-on by it is an entry, so whoever has that account's first factor can.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_AUDIT: Final = 100_000
"""Entries kept; then the oldest go. At some 200 bytes each that is 20 MB, and 270 sign-ons a day
for a year. `bartizan-agent audit` exports them for longer keeping."""


class AuditKind(StrEnum):
    """What an entry tells of."""

    SIGN_ON = "sign-on"
    """Somebody was let in, or a device decided; `outcome` is the sign-on's end."""
    FAILURE = "failure"
    """A wrong PIN or code of a device, or a wrong TOTP."""
    ENROLMENT = "enrolment"
    REVOCATION = "revocation"
    BREAK_GLASS = "break-glass"
    """Opened, ended, or run out, by `outcome`."""
    ALIAS = "alias"
    METHODS = "methods"
    TOTP = "totp"


@dataclass(frozen=True)
class AuditEntry:
    """`at` in Unix seconds; `device` is its number; `handshake` is h of SPEC 3.4 (32 bytes), by
    which a sign-on is found in its device's record too."""

    at: int
    kind: AuditKind
    account: str
    outcome: str
    service: str = ""
    remote: str = ""
    device: int | None = None
    detail: str = ""
    handshake: bytes = b""
