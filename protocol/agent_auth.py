"""pure. How an agent and a relay prove their link keys to each other (SPEC section 2.5).

Protects the queue and its quotas. The security of a sign-on never rests on it.
"""

import hashlib
import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from protocol.errors import ProtocolError
from protocol.kdf import kdf
from protocol.limits import KEY_LENGTH, MAC_LENGTH, NONCE_LENGTH
from protocol.messages import Attach, Attached, Challenge, Hello

NO_KEY: Final = bytes(KEY_LENGTH)
"""The link key in a Hello on a Unix listener, where peer credentials decide."""


def public_bytes(private: X25519PrivateKey) -> bytes:
    """The 32 raw bytes of a key pair's public half."""
    return private.public_key().public_bytes_raw()


def link_key(private: X25519PrivateKey, peer: bytes, relay: bytes, agent: bytes) -> bytes:
    """`K_ar` (32 bytes); `relay` and `agent` are the public keys. Raises ProtocolError."""
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise ProtocolError("link key is a low-order point") from None
    return kdf(shared, "link", relay + agent, KEY_LENGTH)


def _mac(key: bytes, label: bytes, first: bytes, second: bytes) -> bytes:
    return hmac.digest(key, label + first + second, hashlib.sha256)[:MAC_LENGTH]


class AgentHandshake:
    """The agent's side: Hello, then on TCP Challenge and Attach, then Attached."""

    def __init__(self, private: X25519PrivateKey | None, relay_public: bytes | None) -> None:
        """Both keys are None on a Unix socket, where the relay looks at peer credentials."""
        self._private = private
        self._relay_public = relay_public
        self._nonce = secrets.token_bytes(NONCE_LENGTH)
        self._proved = private is None

    def hello(self) -> Hello:
        own = NO_KEY if self._private is None else public_bytes(self._private)
        return Hello(own, self._nonce)

    def challenged(self, challenge: Challenge) -> Attach:
        """Check the relay's proof and make our own. Raises ProtocolError for a wrong relay."""
        if self._private is None or self._relay_public is None or self._proved:
            raise ProtocolError("Challenge out of place")
        key = link_key(
            self._private, self._relay_public, self._relay_public, public_bytes(self._private)
        )
        expected = _mac(key, b"relay", self._nonce, challenge.nonce)
        if not hmac.compare_digest(expected, challenge.mac):
            raise ProtocolError("the relay does not know this agent, or is another relay")
        self._proved = True
        return Attach(_mac(key, b"agent", challenge.nonce, self._nonce))

    def attached(self, _attached: Attached) -> None:
        """Raises ProtocolError when the relay skipped its proof."""
        if not self._proved:
            raise ProtocolError("Attached before Challenge")


class RelayHandshake:
    """The relay's side on TCP: answers Hello by Challenge, checks Attach."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self._expected = secrets.token_bytes(MAC_LENGTH)
        self._known = False

    def hello(self, hello: Hello, known: bool) -> Challenge:
        """The Challenge; for an unknown key it is random bytes, after the same work.

        Raises ProtocolError for a low-order point, which no honest agent has.
        """
        nonce = secrets.token_bytes(NONCE_LENGTH)
        key = link_key(self._private, hello.link_key, public_bytes(self._private), hello.link_key)
        mac = _mac(key, b"relay", hello.nonce, nonce)
        if not known:
            return Challenge(nonce, secrets.token_bytes(MAC_LENGTH))
        self._known = True
        self._expected = _mac(key, b"agent", nonce, hello.nonce)
        return Challenge(nonce, mac)

    def attach(self, attach: Attach) -> bool:
        """Whether the agent proved its key. False is final."""
        return self._known and hmac.compare_digest(self._expected, attach.mac)
