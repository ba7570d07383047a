"""pure. The Noise Protocol Framework, revision 34, for 25519, AESGCM and SHA256.

The engine (sections 5.1 to 5.3 and 9) interprets any pattern given to it as a value; Bartizan uses
two, KKpsk0 and IKpsk1. Whatever goes wrong in a message of the peer is a ProtocolError.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.errors import ProtocolError

DH_LENGTH: Final = 32
HASH_LENGTH: Final = 32
TAG_LENGTH: Final = 16
PSK_LENGTH: Final = 32
MAX_NONCE: Final = 2**64 - 1


@dataclass(frozen=True)
class Pattern:
    """A handshake pattern (Noise section 7): static keys known before, and message tokens."""

    name: str
    initiator_known: bool
    responder_known: bool
    messages: tuple[tuple[str, ...], ...]

    @property
    def protocol_name(self) -> bytes:
        return f"Noise_{self.name}_25519_AESGCM_SHA256".encode("ascii")

    @property
    def has_psk(self) -> bool:
        return any("psk" in tokens for tokens in self.messages)


KKPSK0: Final = Pattern("KKpsk0", True, True, (("psk", "e", "es", "ss"), ("e", "ee", "se")))
IKPSK1: Final = Pattern("IKpsk1", False, True, (("e", "es", "s", "ss", "psk"), ("e", "ee", "se")))


class CipherState:
    """Noise section 5.1. A key may be missing, then bytes pass in clear."""

    __slots__ = ("_aead", "_nonce")

    def __init__(self, key: bytes | None = None) -> None:
        self._aead = None if key is None else AESGCM(key)
        self._nonce = 0

    @property
    def has_key(self) -> bool:
        return self._aead is not None

    def encrypt(self, ad: bytes, plaintext: bytes) -> bytes:
        if self._aead is None:
            return plaintext
        return self._aead.encrypt(self._next_nonce(), plaintext, ad)

    def decrypt(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Raises ProtocolError; the nonce does not advance then."""
        if self._aead is None:
            return ciphertext
        before = self._nonce
        try:
            return self._aead.decrypt(self._next_nonce(), ciphertext, ad)
        except InvalidTag:
            self._nonce = before
            raise ProtocolError("message does not authenticate") from None

    def _next_nonce(self) -> bytes:
        if self._nonce == MAX_NONCE:
            raise ProtocolError("cipher state is used up")
        nonce = bytes(4) + self._nonce.to_bytes(8, "big")
        self._nonce += 1
        return nonce


class SymmetricState:
    """Noise section 5.2."""

    __slots__ = ("_chaining_key", "cipher", "hash")

    def __init__(self, protocol_name: bytes) -> None:
        if len(protocol_name) <= HASH_LENGTH:
            self.hash = protocol_name.ljust(HASH_LENGTH, b"\0")
        else:
            self.hash = hashlib.sha256(protocol_name).digest()
        self._chaining_key = self.hash
        self.cipher = CipherState()

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        self._chaining_key, key = self._hkdf(material, 2)
        self.cipher = CipherState(key)

    def mix_key_and_hash(self, material: bytes) -> None:
        self._chaining_key, mixed, key = self._hkdf(material, 3)
        self.mix_hash(mixed)
        self.cipher = CipherState(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = self.cipher.encrypt(self.hash, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = self.cipher.decrypt(self.hash, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = self._hkdf(b"", 2)
        return CipherState(first), CipherState(second)

    def _hkdf(self, material: bytes, outputs: int) -> list[bytes]:
        """Noise section 4.3: its HKDF is RFC 5869 with the chaining key as salt and empty info."""
        extracted = hmac.digest(self._chaining_key, material, "sha256")
        result: list[bytes] = []
        previous = b""
        for counter in range(1, outputs + 1):
            previous = hmac.digest(extracted, previous + bytes((counter,)), "sha256")
            result.append(previous)
        return result


@dataclass(repr=False)
class HandshakeKeys:
    """What one side brings to a handshake. Only tests with fixed vectors give `ephemeral`."""

    static: X25519PrivateKey
    remote_static: bytes | None = None
    psk: bytes | None = None
    ephemeral: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)


class Handshake:
    """Noise section 5.3: one side of one handshake."""

    def __init__(
        self, pattern: Pattern, initiator: bool, prologue: bytes, keys: HandshakeKeys
    ) -> None:
        if pattern.has_psk and (keys.psk is None or len(keys.psk) != PSK_LENGTH):
            raise ValueError("a psk pattern needs a 32 byte psk")
        self._pattern = pattern
        self._initiator = initiator
        self._keys = keys
        self._remote_ephemeral = b""
        self._step = 0
        self._void = False
        self._state = SymmetricState(pattern.protocol_name)
        self._state.mix_hash(prologue)
        own = keys.static.public_key().public_bytes_raw()
        for known, is_initiator in (
            (pattern.initiator_known, True),
            (pattern.responder_known, False),
        ):
            if known:
                self._state.mix_hash(own if is_initiator == initiator else self._remote_static())

    @property
    def finished(self) -> bool:
        return not self._void and self._step == len(self._pattern.messages)

    @property
    def handshake_hash(self) -> bytes:
        """`h` (32 bytes), the same on both sides once finished (Noise section 11.2)."""
        return self._state.hash

    @property
    def remote_static(self) -> bytes:
        """The peer's static public key (32 bytes), known before or learned."""
        return self._remote_static()

    def write(self, payload: bytes) -> bytes:
        """The next message, when it is this side's turn.

        Raises ProtocolError for a peer's key that is a low-order point.
        """
        message = b""
        for token in self._tokens(writing=True):
            if token == "e":
                public = self._keys.ephemeral.public_key().public_bytes_raw()
                message += public
                self._mix_ephemeral(public)
            elif token == "s":
                own = self._keys.static.public_key().public_bytes_raw()
                message += self._state.encrypt_and_hash(own)
            else:
                self._mix_token(token)
        message += self._state.encrypt_and_hash(payload)
        self._void = False
        return message

    def read(self, message: bytes) -> bytes:
        """The payload of the peer's next message. Raises ProtocolError, and is void then."""
        for token in self._tokens(writing=False):
            if token == "e":
                self._remote_ephemeral, message = self._cut(message, DH_LENGTH)
                self._mix_ephemeral(self._remote_ephemeral)
            elif token == "s":
                length = DH_LENGTH + (TAG_LENGTH if self._state.cipher.has_key else 0)
                encrypted, message = self._cut(message, length)
                self._keys.remote_static = self._state.decrypt_and_hash(encrypted)
            else:
                self._mix_token(token)
        payload = self._state.decrypt_and_hash(message)
        self._void = False
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """The transport's cipher states of this side: (to send, to receive)."""
        if not self.finished:
            raise RuntimeError("split before the handshake is finished")
        first, second = self._state.split()
        return (first, second) if self._initiator else (second, first)

    def _tokens(self, writing: bool) -> tuple[str, ...]:
        """Begin a message; the handshake is void until the whole message has been done."""
        turn = (self._step % 2 == 0) == (self._initiator == writing)
        if self._void or self.finished or not turn:
            raise RuntimeError("not this side's turn in the handshake")
        self._void = True
        self._step += 1
        return self._pattern.messages[self._step - 1]

    def _mix_ephemeral(self, public: bytes) -> None:
        self._state.mix_hash(public)
        if self._pattern.has_psk:  # Noise section 9.2
            self._state.mix_key(public)

    def _mix_token(self, token: str) -> None:
        if token == "psk":
            self._state.mix_key_and_hash(self._keys.psk or b"")
            return
        # Tokens name the initiator's key first: "es" is its ephemeral with our static, or mirrored.
        own, remote = tuple(token) if self._initiator else tuple(reversed(token))
        private = self._keys.ephemeral if own == "e" else self._keys.static
        public = self._remote_ephemeral if remote == "e" else self._remote_static()
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise ProtocolError("key is a low-order point") from None
        self._state.mix_key(shared)

    def _remote_static(self) -> bytes:
        if self._keys.remote_static is None:
            raise ValueError("the pattern needs the peer's static key")
        return self._keys.remote_static

    @staticmethod
    def _cut(message: bytes, length: int) -> tuple[bytes, bytes]:
        if len(message) < length:
            raise ProtocolError("handshake message is too short")
        return message[:length], message[length:]
