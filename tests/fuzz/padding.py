"""pure. Padded plaintexts, as the second implementation reads them."""

from typing import Any

from tests.protocol import independent


def padded(body: bytes, length: int) -> bytes:
    """`body` as the map of a padded plaintext; one that is too long comes without padding."""
    return (len(body) % 0x10000).to_bytes(2, "big") + body.ljust(length - 2, b"\0")


def read(name: str, plaintext: bytes | None) -> dict[str, Any] | None:
    """The fields, None for what is to be refused."""
    try:
        return None if plaintext is None else independent.read_plaintext(name, plaintext)
    except independent.RefusedError:
        return None


def body(plaintext: bytes) -> bytes:
    """The map inside."""
    return plaintext[2 : 2 + int.from_bytes(plaintext[:2], "big")]
