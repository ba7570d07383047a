"""pure. A TOTP secret for an authenticator app: as a URI, and grouped for typing.

The form is that of Google Authenticator's key URIs, which all apps read. What would be their
defaults is said all the same, except to people.
"""

import base64
from typing import Final
from urllib.parse import quote

from pam_agent.codes import TOTP_DIGITS, TOTP_STEP

SECRET_LENGTH: Final = 20
"""Bytes: SHA-1's own length, which RFC 4226 recommends. Larger ones or other hashes some apps take
and get wrong."""
GROUP: Final = 4


def totp_uri(secret: bytes, account: str, host: str) -> str:
    """What the QR code says. `account` and `host` are shown by the app."""
    issuer = quote(host, safe="")
    label = f"{issuer}:{quote(account, safe='')}"
    return (
        f"otpauth://totp/{label}?secret={_base32(secret)}&issuer={issuer}"
        f"&algorithm=SHA1&digits={TOTP_DIGITS}&period={TOTP_STEP}"
    )


def typed_secret(secret: bytes) -> str:
    """For apps that cannot see the screen; they ignore the spaces."""
    code = _base32(secret)
    return " ".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def _base32(secret: bytes) -> str:
    """Without `=`, which URIs would have to quote; 20 bytes need none."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")
