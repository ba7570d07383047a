"""pure. The one key derivation of Bartizan (SPEC section 3.1), known to all parties."""

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PROTOCOL_NAME: Final = b"bartizan1"


def kdf(key: bytes, label: str, context: bytes, length: int) -> bytes:
    """`KDF(K, label, ctx, L)`: HKDF-SHA256 (RFC 5869), `length` bytes."""
    name = label.encode("ascii")
    info = bytes((len(name),)) + name + context
    return hkdf(PROTOCOL_NAME, key, info, length)


def hkdf(salt: bytes, key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869): extract with `salt`, expand to `length` bytes."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)
