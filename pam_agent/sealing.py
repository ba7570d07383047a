"""pure. Secrets in the store, sealed with AES-256-GCM, or as they are when there is no key.

A sealed value is nonce (12) || ciphertext || tag (16). The associated data names the place where it
belongs, table, column and row, so that whoever can write the file cannot give one device another's
key. It does not stop the whole file from being set back.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.limits import KEY_LENGTH

NONCE_LENGTH: Final = 12
"""Random: 2^32 values may be sealed under one key (NIST SP 800-38D, section 8.3), which at some
ten a sign-on are 400 million sign-ons."""
OVERHEAD: Final = NONCE_LENGTH + 16
"""Bytes by which a sealed value is longer."""

_CONTEXT: Final = b"bartizan-store-1"


class SealBrokenError(Exception):
    """A value is not what was sealed at its place, or was sealed under another key."""


class Seal:
    """Seals and unseals under `key` (32 bytes), or does nothing when there is none."""

    def __init__(self, key: bytes | None = None) -> None:
        if key is not None and len(key) != KEY_LENGTH:
            raise ValueError(f"a key has {KEY_LENGTH} bytes")
        self._cipher: Final = None if key is None else AESGCM(key)

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return self._cipher is not None

    def seal(self, value: bytes, *place: str | int) -> bytes:
        """`value` for its `place`: table, column, and what names the row."""
        if self._cipher is None:
            return value
        nonce = secrets.token_bytes(NONCE_LENGTH)
        return nonce + self._cipher.encrypt(nonce, value, _associated(place))

    def unseal(self, value: bytes, *place: str | int) -> bytes:
        """Raises SealBrokenError."""
        if self._cipher is None:
            return value
        nonce, rest = value[:NONCE_LENGTH], value[NONCE_LENGTH:]
        try:
            return self._cipher.decrypt(nonce, rest, _associated(place))
        except (InvalidTag, ValueError):
            raise SealBrokenError("/".join(str(part) for part in place[:2])) from None


def _associated(place: tuple[str | int, ...]) -> bytes:
    """Each part behind its length (4 bytes), so that no two places are alike."""
    parts = [_CONTEXT, *(str(part).encode() for part in place)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
