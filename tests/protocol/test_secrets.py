"""No repr of any class shows a secret: a traceback or a careless log line must not either."""

import enum
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import protocol
from protocol.agent_auth import AgentHandshake, RelayHandshake, public_bytes
from protocol.canonical import MapReader
from protocol.enrolment import (
    AgentEnrolment,
    EnrolAnswer,
    EnrolledKeys,
    NewDevice,
    Offer,
    ValidatorEnrolment,
)
from protocol.frames import FrameReader
from protocol.keys import Mode
from protocol.noise import KKPSK0, CipherState, Handshake, HandshakeKeys, SymmetricState
from protocol.ratchet import Generation, Ratchet
from protocol.signon import AgentSignOn, DeviceKeys, EnrolledDevice, ValidatorSignOn
from protocol.signon_messages import (
    Confirm,
    Context,
    Decision,
    H1Payload,
    Receipt,
    SignOnOutcome,
    Verdict,
)

PASSCODE = "49217734"
PRIVATE = b"private key of X25519, 32 bytes."
SECRET = b"a secret of thirty-two bytes:-)."
SECRETS = (PRIVATE, SECRET, PASSCODE.encode())

KEY = X25519PrivateKey.from_private_bytes(PRIVATE)
PUBLIC = public_bytes(KEY)
GENERATION = Generation(3, SECRET)
OFFER = Offer(PUBLIC, SECRET, 0, 0, ("relay:1",), "host")
DEVICE = DeviceKeys(KEY, PUBLIC, SECRET, GENERATION)
ENROLLED = EnrolledDevice(PUBLIC, SECRET, (GENERATION,))
HANDSHAKE_KEYS = HandshakeKeys(KEY, PUBLIC, SECRET)

INSTANCES = (
    AgentHandshake(KEY, PUBLIC),
    RelayHandshake(KEY),
    MapReader(b"\x81\x00\xc4\x20" + SECRET),
    OFFER,
    EnrolledKeys(SECRET, SECRET, "123456"),
    EnrolAnswer("host", "anna", SECRET),
    ValidatorEnrolment(OFFER, KEY),
    NewDevice("phone", PUBLIC),
    AgentEnrolment(OFFER, KEY),
    FrameReader(9),
    KKPSK0,
    CipherState(SECRET),
    SymmetricState(SECRET),
    HANDSHAKE_KEYS,
    Handshake(KKPSK0, True, b"", HANDSHAKE_KEYS),
    GENERATION,
    Ratchet(GENERATION, GENERATION, (GENERATION, GENERATION)),
    DEVICE,
    ENROLLED,
    ValidatorSignOn(DEVICE, Mode.PASSCODE, PASSCODE),
    AgentSignOn(KEY, ENROLLED, Mode.PASSCODE, PASSCODE),
    H1Payload(3),
    Context(b"sign-on1", SECRET, "anna", "host", "sshd"),
    Decision(b"sign-on1", Verdict.APPROVE, bytes(32), SECRET, passcode=PASSCODE),
    Receipt(b"sign-on1", SignOnOutcome.SIGNED_ON, 4),
    Confirm(b"sign-on1"),
)

MODULES = [module.name for module in pkgutil.iter_modules(protocol.__path__)]
WITHOUT_SECRETS = {"messages", "address"}
"""What the relay sees, and where it is."""


def classes(module: ModuleType) -> set[type]:
    return {
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and not issubclass(value, (enum.Enum, Exception))
    }


def test_every_class_is_here() -> None:
    shown = {base for value in INSTANCES for base in type(value).__mro__}
    assert set(MODULES) >= WITHOUT_SECRETS
    for name in set(MODULES) - WITHOUT_SECRETS:
        assert classes(importlib.import_module(f"protocol.{name}")) <= shown


@pytest.mark.parametrize("value", INSTANCES, ids=lambda value: type(value).__name__)
def test_no_repr_shows_a_secret(value: object) -> None:
    for shown in (repr(value), str(value), f"{value}"):
        for secret in SECRETS:
            assert secret.decode() not in shown
            assert secret.hex() not in shown
            assert str(int.from_bytes(secret, "big")) not in shown
