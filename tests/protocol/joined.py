"""Agent's and validator's machines of one enrolment, joined, and puppets that say anything."""

import hashlib
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import keys
from protocol.agent_auth import public_bytes
from protocol.keys import Mode
from protocol.limits import RANDOM_LENGTH
from protocol.noise import KKPSK0, CipherState, Handshake, HandshakeKeys
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn, DeviceKeys, EnrolledDevice, ValidatorSignOn
from protocol.signon_messages import (
    Context,
    Decision,
    H1Payload,
    SignOnOutcome,
    Verdict,
)

PASSCODE = "49217734"
OTHER_PASSCODE = "00000000"
AGENT = X25519PrivateKey.from_private_bytes(b"\xa1" * 32)
DEVICE = X25519PrivateKey.from_private_bytes(b"\xd1" * 32)
STRANGER = X25519PrivateKey.from_private_bytes(b"\xe1" * 32)
SIGN_ON_ID = b"sign-on1"
FIRST = Generation(0, b"\x6b" * 32)


@dataclass(frozen=True)
class Enrolment:
    """The keys of one enrolment, as both sides hold them, and the context of its sign-ons."""

    agent_static: X25519PrivateKey = AGENT
    device_static: X25519PrivateKey = DEVICE
    rendezvous_root: bytes = b"\x5a" * 32
    generation: Generation = FIRST
    mode: Mode = Mode.PASSCODE
    passcode: str = PASSCODE
    sign_on_id: bytes = SIGN_ON_ID

    def validator(self) -> ValidatorSignOn:
        device = DeviceKeys(
            self.device_static,
            public_bytes(self.agent_static),
            self.rendezvous_root,
            self.generation,
        )
        return ValidatorSignOn(device, self.mode, self.passcode)

    def agent(self, *candidates: Generation) -> AgentSignOn:
        device = EnrolledDevice(
            public_bytes(self.device_static),
            self.rendezvous_root,
            candidates or (self.generation,),
        )
        return AgentSignOn(self.agent_static, device, self.mode, self.passcode)

    def context(self) -> Context:
        return Context(
            self.sign_on_id, b"\x7c" * RANDOM_LENGTH, "anna", "host", "sshd", mode=self.mode
        )

    @property
    def tag(self) -> bytes:
        return keys.tag(self.rendezvous_root, keys.passcode_input(self.mode, self.passcode))

    def with_(self, **changes: object) -> "Enrolment":
        return replace(self, **changes)  # type: ignore[arg-type]


FRAMES = ("H1", "CONTEXT", "DECISION", "RECEIPT", "CONFIRM")
FROM_VALIDATOR = ("H1", "DECISION", "CONFIRM")


@dataclass
class Joined:
    """One sign-on. `run` goes on until the named frame is made, and does not deliver it."""

    enrolment: Enrolment = field(default_factory=Enrolment)
    verdict: Verdict = Verdict.APPROVE
    outcome: SignOnOutcome = SignOnOutcome.SIGNED_ON

    def __post_init__(self) -> None:
        self.validator = self.enrolment.validator()
        self.agent = self.enrolment.agent()
        self.frames: dict[str, bytes] = {}

    def make(self, name: str) -> bytes:
        """Let the sender make its next frame."""
        match name:
            case "H1":
                frame = self.validator.h1()
            case "CONTEXT":
                frame = self.agent.context(self.enrolment.context())
            case "DECISION":
                frame = self.validator.decision(self.verdict)
            case "RECEIPT":
                frame = self.agent.receipt(self.outcome)
            case _:
                frame = self.validator.confirm()
        self.frames[name] = frame
        return frame

    def deliver(self, name: str, frame: bytes) -> object:
        """Hand the receiver its next frame; what it says."""
        match name:
            case "H1":
                return self.agent.receive_h1(frame)
            case "CONTEXT":
                return self.validator.receive_context(frame)
            case "DECISION":
                return self.agent.receive_decision(frame)
            case "RECEIPT":
                return self.validator.receive_receipt(frame)
            case _:
                return self.agent.receive_confirm(frame)

    def run(self, until: str | None = None) -> "Joined":
        for name in FRAMES:
            frame = self.make(name)
            if name == until:
                break
            self.deliver(name, frame)
        return self


class PuppetValidator:
    """An initiator that holds the device's keys and says what the test wants."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment
        p = keys.passcode_input(enrolment.mode, enrolment.passcode)
        self._noise = Handshake(
            KKPSK0,
            True,
            keys.prologue(enrolment.mode, enrolment.tag),
            HandshakeKeys(
                enrolment.device_static,
                public_bytes(enrolment.agent_static),
                keys.psk(enrolment.generation.root, p),
            ),
        )
        self._send = CipherState()
        self.receive = CipherState()
        self.shown = b""

    def h1(self, payload: bytes | None = None) -> bytes:
        message = self._noise.write(
            H1Payload(self._enrolment.generation.number).encode() if payload is None else payload
        )
        return message + keys.m1mac(self._enrolment.rendezvous_root, self._enrolment.tag, message)

    def receive_context(self, frame: bytes) -> None:
        self.shown = self._noise.read(frame)
        self._send, self.receive = self._noise.split()

    def decision(self) -> Decision:
        """The right one, to be changed and sent."""
        context = Context.decode(self.shown)
        return Decision(
            context.sign_on_id,
            Verdict.APPROVE,
            hashlib.sha256(self.shown).digest(),
            b"\x8d" * RANDOM_LENGTH,
            passcode=self._enrolment.passcode,
        )

    def frame(self, plaintext: bytes) -> bytes:
        return self._send.encrypt(b"", plaintext)


class PuppetAgent:
    """A responder that holds the agent's keys and says what the test wants."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._noise = Handshake(
            KKPSK0,
            False,
            keys.prologue(enrolment.mode, enrolment.tag),
            HandshakeKeys(
                enrolment.agent_static,
                public_bytes(enrolment.device_static),
                keys.psk(
                    enrolment.generation.root,
                    keys.passcode_input(enrolment.mode, enrolment.passcode),
                ),
            ),
        )
        self._send = CipherState()
        self.receive = CipherState()

    def receive_h1(self, frame: bytes) -> None:
        self._noise.read(frame[:-16])

    def context(self, plaintext: bytes) -> bytes:
        frame = self._noise.write(plaintext)
        self._send, self.receive = self._noise.split()
        return frame

    def frame(self, plaintext: bytes) -> bytes:
        return self._send.encrypt(b"", plaintext)
