"""Fixed keys and randoms: the vectors change only when the protocol does."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.ratchet import Generation

Json = dict[str, Any]


def value(name: str, length: int = 32) -> bytes:
    """A fixed value that looks random, different for each name."""
    return hashlib.sha256(f"bartizan test vector: {name}".encode()).digest()[:length]


def private(name: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(value(name))


AGENT = private("agent's static key")
DEVICE = private("device's static key")
AGENT_EPHEMERAL = private("agent's ephemeral key")
DEVICE_EPHEMERAL = private("device's ephemeral key")
K_RV = value("K_rv")
R_G = value("R_g")
R_A = value("r_a")
R_V = value("r_v")
SIGN_ON_ID = value("sign-on id", 8)
PASSCODE = "49217734"
GENERATION = Generation(7, R_G)


def fields_of(message: Any) -> Json:
    """The fields of a dataclass by name."""
    return {name: getattr(message, name) for name in message.__dataclass_fields__}
