"""pure. The sign-on id, by which one sign-on is followed through terminal, logs and device."""

import base64
import secrets

from protocol.limits import SIGN_ON_ID_LENGTH


def generate() -> bytes:
    """8 random bytes, chosen by the agent."""
    return secrets.token_bytes(SIGN_ON_ID_LENGTH)


def display(sign_on_id: bytes) -> str:
    """Its short form: RFC 4648 base32 in lower case without padding, 13 characters."""
    return base64.b32encode(sign_on_id).decode("ascii").rstrip("=").lower()
