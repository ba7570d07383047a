"""pure. X25519 for the fuzzing's own keys: a few fixed ones, so nearly all is computed once.

A curve costs more than all else that a target does with an input.
"""

import functools
from typing import cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from tests.protocol import independent

EXCHANGES = 4096
"""So many are kept."""

public = functools.cache(independent.public)
dh = functools.lru_cache(EXCHANGES)(independent.dh)


class Private:
    """A private key as protocol/ uses it."""

    def __init__(self, raw: bytes) -> None:
        key = X25519PrivateKey.from_private_bytes(raw)
        self._public = key.public_key()
        self._exchange = functools.lru_cache(EXCHANGES)(
            lambda peer: key.exchange(X25519PublicKey.from_public_bytes(peer))
        )

    def public_key(self) -> X25519PublicKey:
        return self._public

    def exchange(self, peer: X25519PublicKey) -> bytes:
        return self._exchange(peer.public_bytes_raw())


@functools.cache
def private(raw: bytes) -> X25519PrivateKey:
    """32 bytes."""
    return cast("X25519PrivateKey", Private(raw))
