"""pure. What is derived from an enrolment's keys for one sign-on (SPEC section 3).

The relay must never import this module.
"""

import hmac
from enum import IntEnum

from protocol.kdf import PROTOCOL_NAME, hkdf, kdf
from protocol.limits import KEY_LENGTH, MAC_LENGTH, SUITE, TAG_LENGTH


class Mode(IntEnum):
    """How a sign-on reached the device."""

    ENROLMENT = 0
    PASSCODE = 1
    PUSH = 2
    APPROVER = 4
    PROOF = 5


def passcode_input(mode: Mode, passcode: str) -> bytes:
    """`p = u8(mode) || u8(len passcode) || passcode digits`, in ASCII."""
    return bytes((mode, len(passcode))) + passcode.encode("ascii")


def tag(rendezvous_root: bytes, p: bytes) -> bytes:
    """The 16 bytes that name a waiting request to the relay, from K_rv (32 bytes)."""
    return kdf(rendezvous_root, "tag", p, TAG_LENGTH)


def psk(ratchet_root: bytes, p: bytes) -> bytes:
    """The Noise pre-shared key (32 bytes), from R_g (32 bytes)."""
    return kdf(ratchet_root, "psk", p, KEY_LENGTH)


def m1mac(rendezvous_root: bytes, request_tag: bytes, h1: bytes) -> bytes:
    """The 16 bytes behind H1 that tell a wrong PIN from tampering on the way."""
    return kdf(rendezvous_root, "m1", request_tag + h1, MAC_LENGTH)


def prologue(mode: Mode, request_tag: bytes) -> bytes:
    """The Noise prologue: binds a handshake to suite, mode, tag and direction."""
    return PROTOCOL_NAME + bytes((SUITE, mode)) + request_tag + b"VA"


def next_ratchet_root(
    handshake_hash: bytes, ratchet_root: bytes, agent_random: bytes, validator_random: bytes
) -> bytes:
    """`R_{g+1}` (32 bytes) from h, R_g, r_a and r_v (32 bytes each)."""
    return hkdf(
        handshake_hash, ratchet_root + agent_random + validator_random, b"ratchet", KEY_LENGTH
    )


def equal(one: bytes, other: bytes) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(one, other)
