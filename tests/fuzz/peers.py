"""pure. Peers that hold the right keys and say anything: they get the fuzzer past the encryption.

They are made of the second implementation (tests/protocol/independent.py), with fixed ephemeral
keys, so that what both sides compute with curves is computed once. Machines are set up once, too:
each input gets a twin.
"""

import functools
import hashlib
from typing import Any, TypeVar, cast

from protocol.enrolment import AgentEnrolment, Offer, ValidatorEnrolment
from protocol.keys import Mode
from protocol.noise import CipherState, Handshake, SymmetricState
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn, DeviceKeys, EnrolledDevice, ValidatorSignOn
from protocol.signon_messages import Context, Verdict
from tests.fuzz.curves import dh, private, public
from tests.protocol.independent import IK, KK, Noise, kdf, p, prologue, sealed

T = TypeVar("T")

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


def m1mac(message: bytes) -> bytes:
    return kdf(ROOT, "m1", TAG + message, 16)


# ---- twins ---------------------------------------------------------------------------------------

Machine = TypeVar("Machine", AgentSignOn, ValidatorSignOn, AgentEnrolment, ValidatorEnrolment)


def clone(thing: T) -> T:
    """copy.copy of an object with attributes in its dictionary, at a fifth of the time."""
    other = object.__new__(type(thing))
    vars(other).update(vars(thing))
    return other


def twin(machine: Machine) -> Machine:
    """A machine at the same step, that shares nothing which changes."""
    other: Any = clone(machine)
    if isinstance(machine, AgentSignOn | ValidatorSignOn):
        other._send, other._receive = cipher_twin(machine._send), cipher_twin(machine._receive)
    if machine._noise is not None:
        other._noise = handshake_twin(machine._noise)
    return cast("Machine", other)


def handshake_twin(noise: Handshake) -> Handshake:
    other = clone(noise)
    other._keys = clone(noise._keys)
    state = other._state = object.__new__(SymmetricState)
    state.hash, state._chaining_key = noise._state.hash, noise._state._chaining_key
    state.cipher = cipher_twin(noise._state.cipher)
    return other


def cipher_twin(cipher: CipherState) -> CipherState:
    other = CipherState()
    other._aead, other._nonce = cipher._aead, cipher._nonce
    return other


# ---- a sign-on -----------------------------------------------------------------------------------


@functools.cache
def with_psk(generation: Generation) -> Noise:
    noise = Noise(KK, prologue(MODE, TAG), public(DEVICE), public(AGENT))
    noise.psk(kdf(generation.root, "psk", P, 32))
    return noise


def before_h1(generation: Generation, ephemeral: bytes) -> Noise:
    """The agent's state before the payload of H1; `ephemeral` is public. Raises RefusedError."""
    noise = clone(with_psk(generation))
    noise.e(ephemeral)
    noise.mix_key(dh(AGENT, ephemeral))
    noise.mix_key(dh(AGENT, public(DEVICE)))
    return noise


def before_context(after_h1: Noise) -> Noise:
    """Either side's state before the payload of CONTEXT."""
    noise = clone(after_h1)
    noise.e(public(AGENT_EPHEMERAL))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE_EPHEMERAL)))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE)))
    return noise


BEFORE_H1 = {
    generation: before_h1(generation, public(DEVICE_EPHEMERAL))
    for generation in (*CANDIDATES, UNKNOWN)
}


def h1(generation: Generation, payload: bytes) -> bytes:
    message = public(DEVICE_EPHEMERAL) + clone(BEFORE_H1[generation]).seal(payload)
    return message + m1mac(message)


AGENT_SIGN_ON = AgentSignOn(
    private(AGENT),
    EnrolledDevice(public(DEVICE), ROOT, CANDIDATES),
    MODE,
    PASSCODE,
    ephemeral=private(AGENT_EPHEMERAL),
)


def agent() -> AgentSignOn:
    return twin(AGENT_SIGN_ON)


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


_device = clone(BEFORE_H1[CURRENT])
_device.seal(CURRENT.number.to_bytes(4, "big") + bytes(12))
BEFORE_CONTEXT = before_context(_device)


def context(plaintext: bytes) -> tuple[bytes, Noise]:
    """The frame, and the state behind it."""
    noise = clone(BEFORE_CONTEXT)
    return public(AGENT_EPHEMERAL) + noise.seal(plaintext), noise


SHOWN = CONTEXT.encode()
SHOWN_HASH = hashlib.sha256(SHOWN).digest()
_, _after_context = context(SHOWN)
HANDSHAKE_HASH = _after_context.h
TO_AGENT, TO_VALIDATOR = _after_context.split()
"""The transport's keys after that CONTEXT."""


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
_enrolling = clone(BEFORE_E1)
_STATIC = _enrolling.seal(public(DEVICE))
_enrolling.mix_key(dh(DEVICE, public(AGENT)))
_enrolling.psk(OFFER.secret)


def e1(payload: bytes) -> tuple[bytes, Noise]:
    """The frame, and the state behind it."""
    noise = clone(_enrolling)
    return public(DEVICE_EPHEMERAL) + _STATIC + noise.seal(payload), noise


def e1_of(static: bytes, rest: bytes) -> bytes:
    """An E1 that names any static key, and goes on with any bytes."""
    return public(DEVICE_EPHEMERAL) + clone(BEFORE_E1).seal(static) + rest


def before_e2(after_e1: Noise) -> Noise:
    noise = clone(after_e1)
    noise.e(public(AGENT_EPHEMERAL))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE_EPHEMERAL)))
    noise.mix_key(dh(AGENT_EPHEMERAL, public(DEVICE)))
    return noise


def seal(key: bytes, number: int, plaintext: bytes) -> bytes:
    """A transport message."""
    return sealed(key, number, b"", plaintext)
