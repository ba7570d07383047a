"""Two independent implementations of Noise as peers of ours, in both roles.

First the bare handshakes, with the prologue and the psk of a real sign-on and enrolment; then the
sign-on machines themselves, whose peer is made of the other library.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dissononce.cipher.aesgcm import AESGCMCipher
from dissononce.dh.x25519.keypair import KeyPair
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.public import PublicKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.IK import IKHandshakePattern
from dissononce.processing.handshakepatterns.interactive.KK import KKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState as DissononceCipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState
from dissononce.processing.modifiers.psk import PSKPatternModifier
from noise.connection import Keypair, NoiseConnection

from protocol import keys
from protocol.agent_auth import public_bytes
from protocol.keys import Mode
from protocol.noise import IKPSK1, KKPSK0, Handshake, HandshakeKeys, Pattern
from protocol.ratchet import Generation
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


@dataclass(frozen=True)
class Side:
    """What a side brings: as our HandshakeKeys, in bytes."""

    pattern: Pattern
    initiator: bool
    prologue: bytes
    psk: bytes
    static: bytes
    remote_static: bytes | None


class Peer(ABC):
    """Another implementation's handshake and transport."""

    @abstractmethod
    def __init__(self, side: Side) -> None: ...

    @abstractmethod
    def write(self, payload: bytes) -> bytes: ...

    @abstractmethod
    def read(self, message: bytes) -> bytes: ...

    @abstractmethod
    def encrypt(self, plaintext: bytes) -> bytes: ...

    @abstractmethod
    def decrypt(self, frame: bytes) -> bytes: ...

    @abstractmethod
    def handshake_hash(self) -> bytes: ...


class NoiseprotocolPeer(Peer):
    def __init__(self, side: Side) -> None:
        self._noise = NoiseConnection.from_name(side.pattern.protocol_name)
        if side.initiator:
            self._noise.set_as_initiator()
        else:
            self._noise.set_as_responder()
        self._noise.set_prologue(side.prologue)
        self._noise.set_psks(psk=side.psk)
        self._noise.set_keypair_from_private_bytes(Keypair.STATIC, side.static)
        if side.remote_static:
            self._noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, side.remote_static)
        self._noise.start_handshake()

    def write(self, payload: bytes) -> bytes:
        return bytes(self._noise.write_message(payload))

    def read(self, message: bytes) -> bytes:
        return bytes(self._noise.read_message(message))

    def encrypt(self, plaintext: bytes) -> bytes:
        return bytes(self._noise.encrypt(plaintext))

    def decrypt(self, frame: bytes) -> bytes:
        return bytes(self._noise.decrypt(frame))

    def handshake_hash(self) -> bytes:
        return bytes(self._noise.get_handshake_hash())


DISSONONCE_PATTERNS = {
    KKPSK0: PSKPatternModifier(0).modify(KKHandshakePattern()),
    IKPSK1: PSKPatternModifier(1).modify(IKHandshakePattern()),
}


class DissononcePeer(Peer):
    def __init__(self, side: Side) -> None:
        self._initiator = side.initiator
        self._symmetric = SymmetricState(DissononceCipherState(AESGCMCipher()), SHA256Hash())
        self._handshake = HandshakeState(self._symmetric, X25519DH())
        private = X25519PrivateKey.from_private_bytes(side.static)
        self._handshake.initialize(
            DISSONONCE_PATTERNS[side.pattern],
            side.initiator,
            side.prologue,
            s=KeyPair(PublicKey(public_bytes(private)), PrivateKey(side.static)),
            rs=PublicKey(side.remote_static) if side.remote_static else None,
            psks=(side.psk,),
        )
        self._transport: tuple[DissononceCipherState, DissononceCipherState] | None = None

    def write(self, payload: bytes) -> bytes:
        message = bytearray()
        self._transport = self._handshake.write_message(payload, message)
        return bytes(message)

    def read(self, message: bytes) -> bytes:
        payload = bytearray()
        self._transport = self._handshake.read_message(message, payload)
        return bytes(payload)

    def encrypt(self, plaintext: bytes) -> bytes:
        assert self._transport is not None
        return bytes(self._transport[0 if self._initiator else 1].encrypt_with_ad(b"", plaintext))

    def decrypt(self, frame: bytes) -> bytes:
        assert self._transport is not None
        return bytes(self._transport[1 if self._initiator else 0].decrypt_with_ad(b"", frame))

    def handshake_hash(self) -> bytes:
        return bytes(self._symmetric.get_handshake_hash())


each_peer = pytest.mark.parametrize("peer", [NoiseprotocolPeer, DissononcePeer])

AGENT = X25519PrivateKey.from_private_bytes(b"\x0a" * 32)
DEVICE = X25519PrivateKey.from_private_bytes(b"\x0b" * 32)
RENDEZVOUS_ROOT = b"\x0c" * 32
GENERATION = Generation(3, b"\x0d" * 32)
PASSCODE = "00000000"
P = keys.passcode_input(Mode.PASSCODE, PASSCODE)
TAG = keys.tag(RENDEZVOUS_ROOT, P)
SIGN_ON_ID, AGENT_RANDOM, DEVICE_RANDOM = b"\x0e" * 8, b"\x0f" * 32, b"\x10" * 32

PROLOGUES = {
    KKPSK0: keys.prologue(Mode.PASSCODE, TAG),
    IKPSK1: keys.prologue(Mode.ENROLMENT, TAG),
}
PSKS = {KKPSK0: keys.psk(GENERATION.root, P), IKPSK1: b"\x12" * 32}


def peer_side(value: Pattern, initiator: bool) -> Side:
    own, remote = (DEVICE, AGENT) if initiator else (AGENT, DEVICE)
    known = value.responder_known if initiator else value.initiator_known
    return Side(
        value,
        initiator,
        PROLOGUES[value],
        PSKS[value],
        own.private_bytes_raw(),
        public_bytes(remote) if known else None,
    )


@each_peer
@pytest.mark.parametrize("value", [KKPSK0, IKPSK1], ids=lambda value: value.name)
@pytest.mark.parametrize("we_initiate", [True, False], ids=["initiator", "responder"])
def test_handshake_and_transport(peer: type[Peer], value: Pattern, we_initiate: bool) -> None:
    own, remote = (DEVICE, AGENT) if we_initiate else (AGENT, DEVICE)
    known = value.responder_known if we_initiate else value.initiator_known
    ours = Handshake(
        value,
        we_initiate,
        PROLOGUES[value],
        HandshakeKeys(own, public_bytes(remote) if known else None, PSKS[value]),
    )
    theirs = peer(peer_side(value, not we_initiate))
    first, second = (ours, theirs) if we_initiate else (theirs, ours)
    assert second.read(first.write(b"to the responder")) == b"to the responder"
    assert first.read(second.write(b"to the initiator")) == b"to the initiator"
    assert ours.handshake_hash == theirs.handshake_hash()
    assert ours.remote_static == public_bytes(remote)
    send, receive = ours.split()
    for text in (b"one", b"two", b"", bytes(2000)):
        assert theirs.decrypt(send.encrypt(b"", text)) == text
        assert receive.decrypt(b"", theirs.encrypt(text)) == text


@each_peer
def test_our_agent_signs_their_validator_on(peer: type[Peer]) -> None:
    agent = AgentSignOn(
        AGENT,
        EnrolledDevice(public_bytes(DEVICE), RENDEZVOUS_ROOT, (GENERATION,)),
        Mode.PASSCODE,
        PASSCODE,
    )
    theirs = peer(peer_side(KKPSK0, initiator=True))

    h1 = theirs.write(H1Payload(GENERATION.number).encode())
    agent.receive_h1(h1 + keys.m1mac(RENDEZVOUS_ROOT, TAG, h1))
    shown = theirs.read(agent.context(Context(SIGN_ON_ID, AGENT_RANDOM, "anna", "host", "sshd")))
    decision = Decision(
        SIGN_ON_ID,
        Verdict.APPROVE,
        hashlib.sha256(shown).digest(),
        DEVICE_RANDOM,
        passcode=PASSCODE,
    )
    assert agent.receive_decision(theirs.encrypt(decision.encode())) == decision
    assert agent.next_root == keys.next_ratchet_root(
        theirs.handshake_hash(), GENERATION.root, AGENT_RANDOM, DEVICE_RANDOM
    )
    receipt = Receipt.decode(theirs.decrypt(agent.receipt(SignOnOutcome.SIGNED_ON)))
    assert receipt.next_generation == GENERATION.number + 1
    agent.receive_confirm(theirs.encrypt(Confirm(SIGN_ON_ID).encode()))


@each_peer
def test_our_validator_signs_on_with_their_agent(peer: type[Peer]) -> None:
    validator = ValidatorSignOn(
        DeviceKeys(DEVICE, public_bytes(AGENT), RENDEZVOUS_ROOT, GENERATION),
        Mode.PASSCODE,
        PASSCODE,
        validator_random=DEVICE_RANDOM,
    )
    theirs = peer(peer_side(KKPSK0, initiator=False))

    h1 = validator.h1()
    assert h1[64:] == keys.m1mac(RENDEZVOUS_ROOT, TAG, h1[:64])
    assert H1Payload.decode(theirs.read(h1[:64])).generation == GENERATION.number
    context = Context(SIGN_ON_ID, AGENT_RANDOM, "anna", "host", "sshd")
    assert validator.receive_context(theirs.write(context.encode())) == context
    decision = Decision.decode(theirs.decrypt(validator.decision(Verdict.DENY)))
    assert decision.verdict is Verdict.DENY
    assert decision.context_hash == hashlib.sha256(context.encode()).digest()
    receipt = Receipt(SIGN_ON_ID, SignOnOutcome.REFUSED, GENERATION.number + 1)
    assert validator.receive_receipt(theirs.encrypt(receipt.encode())) == receipt
    assert validator.next_generation().root == keys.next_ratchet_root(
        theirs.handshake_hash(), GENERATION.root, AGENT_RANDOM, DEVICE_RANDOM
    )
    assert Confirm.decode(theirs.decrypt(validator.confirm())) == Confirm(SIGN_ON_ID)
