"""pure. Peers that hold the right keys and say anything: they get the fuzzer past the encryption.

They are made of the second implementation (tests/protocol/independent.py), with fixed ephemeral
keys, so that all they ever compute with curves is computed once.
"""

import copy
import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.enrolment import Offer
from protocol.keys import Mode
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn, DeviceKeys, EnrolledDevice, ValidatorSignOn
from protocol.signon_messages import Context, Verdict
from tests.protocol.independent import IK, KK, Noise, dh, kdf, p, prologue, public, sealed

MODE, PASSCODE = Mode.PASSCODE, "49217734"
P = p(MODE, PASSCODE)
AGENT, DEVICE = b"\xa1" * 32, b"\xd1" * 32
AGENT_EPHEMERAL, DEVICE_EPHEMERAL = b"\xa2" * 32, b"\xd2" * 32
"""Private keys of X25519, raw."""
ROOT = b"\x5a" * 32
TAG = kdf(ROOT, "tag", P, 16)
PENDING, CURRENT, RETIRED, UNKNOWN = (Generation(g, bytes((g,)) * 32) for g in (8, 7, 6, 5))
CANDIDATES = (PENDING, CURRENT, RETIRED)
AGENT_RANDOM, VALIDATOR_RANDOM = b"\x7c" * 32, b"\x8d" * 32
SIGN_ON_ID = b"sign-on1"
CONTEXT = Context(SIGN_ON_ID, AGENT_RANDOM, "anna", "host", "sshd", mode=MODE)

HOW = RAW, PLAINTEXT, PADDED = 0, 1, 2
"""A frame as it comes; a plaintext to encrypt; a map to pad and encrypt."""


def private(raw: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(raw)


def m1mac(message: bytes) -> bytes:
    return kdf(ROOT, "m1", TAG + message, 16)


# ---- a sign-on -----------------------------------------------------------------------------------


def before_h1(generation: Generation) -> Noise:
    """Either side's state before the payload of H1."""
    noise = Noise(KK, prologue(MODE, TAG), public(DEVICE), public(AGENT))
    noise.psk(kdf(generation.root, "psk", P, 32))
    noise.e(public(DEVICE_EPHEMERAL))
    noise.mix_key(dh(DEVICE_EPHEMERAL, public(AGENT)))
    noise.mix_key(dh(DEVICE, public(AGENT)))
    return noise


def before_context(after_h1: Noise) -> Noise:
    """Either side's state before the payload of CONTEXT."""
    noise = copy.copy(after_h1)
    noise.e(public(AGENT_EPHEMERAL))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE_EPHEMERAL)))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE)))
    return noise


BEFORE_H1 = {generation: before_h1(generation) for generation in (*CANDIDATES, UNKNOWN)}


def h1(generation: Generation, payload: bytes) -> bytes:
    message = public(DEVICE_EPHEMERAL) + copy.copy(BEFORE_H1[generation]).seal(payload)
    return message + m1mac(message)


def agent() -> AgentSignOn:
    device = EnrolledDevice(public(DEVICE), ROOT, CANDIDATES)
    ephemeral = private(AGENT_EPHEMERAL)
    return AgentSignOn(private(AGENT), device, MODE, PASSCODE, ephemeral=ephemeral)


def validator() -> ValidatorSignOn:
    """After H1."""
    machine = ValidatorSignOn(
        DeviceKeys(private(DEVICE), public(AGENT), ROOT, CURRENT),
        MODE,
        PASSCODE,
        ephemeral=private(DEVICE_EPHEMERAL),
        validator_random=VALIDATOR_RANDOM,
    )
    machine.h1()
    return machine


_device = copy.copy(BEFORE_H1[CURRENT])
_device.seal(CURRENT.number.to_bytes(4, "big") + bytes(12))
BEFORE_CONTEXT = before_context(_device)


def context(plaintext: bytes) -> tuple[bytes, Noise]:
    """The frame, and the state behind it."""
    noise = copy.copy(BEFORE_CONTEXT)
    return public(AGENT_EPHEMERAL) + noise.seal(plaintext), noise


SHOWN = CONTEXT.encode()
SHOWN_HASH = hashlib.sha256(SHOWN).digest()
_, _after_context = context(SHOWN)
HANDSHAKE_HASH = _after_context.h
TO_AGENT, TO_VALIDATOR = _after_context.split()
"""The transport's keys after that CONTEXT."""


def twin(machine: AgentSignOn | ValidatorSignOn) -> AgentSignOn | ValidatorSignOn:
    """A machine at the same step behind the handshake, with counters of its own."""
    other = copy.copy(machine)
    other._send, other._receive = copy.copy(machine._send), copy.copy(machine._receive)
    return other


def agent_before_decision() -> AgentSignOn:
    machine = agent()
    machine.receive_h1(h1(CURRENT, CURRENT.number.to_bytes(4, "big") + bytes(12)))
    assert machine.context(CONTEXT) == context(SHOWN)[0]
    return machine


def validator_before_receipt() -> ValidatorSignOn:
    machine = validator()
    machine.receive_context(context(SHOWN)[0])
    machine.decision(Verdict.APPROVE)
    return machine


def is_void(machine: AgentSignOn | ValidatorSignOn) -> bool:
    """Nothing goes on after a refusal."""
    return machine._step.name == "VOID"


# ---- an enrolment --------------------------------------------------------------------------------

OFFER = Offer(public(AGENT), b"\x0e" * 32, 1_800_000_600, 77, ("relay.example.net:4817",), "host")


def before_e1() -> Noise:
    """The device's state before its static key."""
    noise = Noise(IK, prologue(Mode.ENROLMENT, OFFER.tag), public(AGENT))
    noise.e(public(DEVICE_EPHEMERAL))
    noise.mix_key(dh(DEVICE_EPHEMERAL, public(AGENT)))
    return noise


BEFORE_E1 = before_e1()
_enrolling = copy.copy(BEFORE_E1)
_STATIC = _enrolling.seal(public(DEVICE))
_enrolling.mix_key(dh(DEVICE, public(AGENT)))
_enrolling.psk(OFFER.secret)


def e1(payload: bytes) -> tuple[bytes, Noise]:
    """The frame, and the state behind it."""
    noise = copy.copy(_enrolling)
    return public(DEVICE_EPHEMERAL) + _STATIC + noise.seal(payload), noise


def e1_of(static: bytes, rest: bytes) -> bytes:
    """An E1 that names any static key, and goes on with any bytes."""
    return public(DEVICE_EPHEMERAL) + copy.copy(BEFORE_E1).seal(static) + rest


def before_e2(after_e1: Noise) -> Noise:
    noise = copy.copy(after_e1)
    noise.e(public(AGENT_EPHEMERAL))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE_EPHEMERAL)))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE)))
    return noise


def seal(key: bytes, number: int, plaintext: bytes) -> bytes:
    """A transport message."""
    return sealed(key, number, b"", plaintext)
