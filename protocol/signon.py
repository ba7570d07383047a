"""pure. M-AUTH, the mutual authentication of one sign-on, as two machines (SPEC section 5).

    validator -> agent   H1         psk, e, es, ss   and m1mac
    agent -> validator   CONTEXT    e, ee, se
    validator -> agent   DECISION
    agent -> validator   RECEIPT
    validator -> agent   CONFIRM

Each machine is called in exactly this order. Calling out of order is a bug of the caller
(RuntimeError); bytes of the peer that do not fit are a ProtocolError, after which the machine is
void. Knows no clock, no store and no connection: its user decides what is in time and durable.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import Enum

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import keys
from protocol.errors import ActivationFailedError, ProtocolError
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH, MAC_LENGTH, RANDOM_LENGTH
from protocol.noise import KKPSK0, CipherState, Handshake, HandshakeKeys
from protocol.ratchet import Generation
from protocol.signon_messages import (
    Confirm,
    Context,
    Decision,
    H1Payload,
    Receipt,
    SignOnOutcome,
    UserVerification,
    Verdict,
)


class _Step(Enum):
    H1 = "H1"
    CONTEXT = "CONTEXT"
    DECISION = "DECISION"
    RECEIPT = "RECEIPT"
    CONFIRM = "CONFIRM"
    DONE = "done"
    VOID = "void"


class _Machine:
    """The order of the five messages, and the transport's two cipher states."""

    def __init__(self, mode: Mode, passcode: str) -> None:
        self._mode = mode
        self._passcode = passcode
        self._input = keys.passcode_input(mode, passcode)
        self._step = _Step.H1
        self._send = CipherState()
        self._receive = CipherState()
        self._sign_on_id = b""
        self._context_hash = b""

    def _enter(self, step: _Step) -> None:
        """Begin `step`; the machine is void until its caller sets the next one."""
        if self._step is not step:
            raise RuntimeError(f"{step.value} called at step {self._step.value}")
        self._step = _Step.VOID

    def _check_sign_on_id(self, received: bytes) -> None:
        if received != self._sign_on_id:
            raise ProtocolError("message of another sign-on")


@dataclass(frozen=True)
class DeviceKeys:
    """What a validator holds of one enrolment for a sign-on. Secrets are not in repr."""

    static: X25519PrivateKey = field(repr=False)
    agent_public: bytes
    rendezvous_root: bytes = field(repr=False)
    generation: Generation


class ValidatorSignOn(_Machine):
    """The validator's machine, the Noise initiator."""

    def __init__(
        self,
        device: DeviceKeys,
        mode: Mode,
        passcode: str,
        *,
        app_version: int = 0,
        ephemeral: X25519PrivateKey | None = None,
        validator_random: bytes | None = None,
    ) -> None:
        """Only tests with fixed vectors give `ephemeral` and `validator_random` (32 bytes)."""
        super().__init__(mode, passcode)
        self._device = device
        self._app_version = app_version
        self._random = validator_random or secrets.token_bytes(RANDOM_LENGTH)
        self.tag = keys.tag(device.rendezvous_root, self._input)
        """The tag to send in AuthValidate, 16 bytes."""
        psk = keys.psk(device.generation.root, self._input)
        self._noise = Handshake(
            KKPSK0,
            True,
            keys.prologue(mode, self.tag),
            HandshakeKeys(
                device.static, device.agent_public, psk, ephemeral or X25519PrivateKey.generate()
            ),
        )
        self._agent_random = b""

    def h1(self) -> bytes:
        """The first frame, 80 bytes."""
        self._enter(_Step.H1)
        payload = H1Payload(self._device.generation.number, app_version=self._app_version)
        message = self._noise.write(payload.encode())
        self._step = _Step.CONTEXT
        return message + keys.m1mac(self._device.rendezvous_root, self.tag, message)

    def receive_context(self, frame: bytes) -> Context:
        """Raises ProtocolError."""
        self._enter(_Step.CONTEXT)
        plaintext = self._noise.read(frame)
        context = Context.decode(plaintext)
        if context.mode is not self._mode:
            raise ProtocolError("CONTEXT of another mode")
        self._send, self._receive = self._noise.split()
        self._context_hash = hashlib.sha256(plaintext).digest()
        self._sign_on_id = context.sign_on_id
        self._agent_random = context.agent_random
        self._step = _Step.DECISION
        return context

    def decision(
        self,
        verdict: Verdict,
        reason: str = "",
        user_verification: UserVerification = UserVerification.PRESENCE,
    ) -> bytes:
        """The frame that tells the user's verdict."""
        self._enter(_Step.DECISION)
        decision = Decision(
            self._sign_on_id,
            verdict,
            self._context_hash,
            self._random,
            user_verification,
            self._passcode,
            reason,
        )
        self._step = _Step.RECEIPT
        return self._send.encrypt(b"", decision.encode())

    def receive_receipt(self, frame: bytes) -> Receipt:
        """Raises ProtocolError. Unless disabled, `next_generation` must be durable by `confirm`."""
        self._enter(_Step.RECEIPT)
        receipt = Receipt.decode(self._receive.decrypt(b"", frame))
        self._check_sign_on_id(receipt.sign_on_id)
        expected = self._device.generation.number + 1
        if receipt.outcome is not SignOnOutcome.DISABLED and receipt.next_generation != expected:
            raise ProtocolError("RECEIPT names another generation")
        self._step = _Step.CONFIRM
        return receipt

    def next_generation(self) -> Generation:
        """The generation that a RECEIPT other than DISABLED makes the device's own.

        Not given before a good RECEIPT: the agent may not have it, and the device that stored it
        too early would lock itself out.
        """
        if self._step not in (_Step.CONFIRM, _Step.DONE):
            raise RuntimeError("no RECEIPT yet")
        root = keys.next_ratchet_root(
            self._noise.handshake_hash,
            self._device.generation.root,
            self._agent_random,
            self._random,
        )
        return Generation(self._device.generation.number + 1, root)

    def confirm(self) -> bytes:
        """The last frame."""
        self._enter(_Step.CONFIRM)
        self._step = _Step.DONE
        return self._send.encrypt(b"", Confirm(self._sign_on_id).encode())


@dataclass(frozen=True)
class EnrolledDevice:
    """What an agent holds of one enrolment for a sign-on. Secrets are not in repr."""

    public: bytes
    rendezvous_root: bytes = field(repr=False)
    candidates: tuple[Generation, ...] = field(repr=False)
    """Ratchet.candidates(): tried in this order."""


class AgentSignOn(_Machine):
    """The agent's machine, the Noise responder."""

    def __init__(
        self,
        static: X25519PrivateKey,
        device: EnrolledDevice,
        mode: Mode,
        passcode: str,
        *,
        ephemeral: X25519PrivateKey | None = None,
    ) -> None:
        """`ephemeral` is given only by tests with fixed vectors."""
        super().__init__(mode, passcode)
        self._static = static
        self._device = device
        self._ephemeral = ephemeral
        self._tag = keys.tag(device.rendezvous_root, self._input)
        self._noise: Handshake | None = None
        self._base: Generation | None = None
        self._agent_random = b""
        self._next_root = b""

    @property
    def base(self) -> Generation:
        """The generation that H1 opened under."""
        if self._base is None:
            raise RuntimeError("no H1 yet")
        return self._base

    @property
    def next_root(self) -> bytes:
        """`R_{g+1}` (32 bytes), after DECISION."""
        if not self._next_root:
            raise RuntimeError("no DECISION yet")
        return self._next_root

    @property
    def handshake_hash(self) -> bytes:
        """The audit id, 32 bytes."""
        if self._noise is None:
            raise RuntimeError("no H1 yet")
        return self._noise.handshake_hash

    def receive_h1(self, frame: bytes) -> H1Payload:
        """Raises ActivationFailedError (to be counted) or ProtocolError (not to be counted)."""
        self._enter(_Step.H1)
        if len(frame) != H1_FRAME_LENGTH:
            raise ProtocolError("H1 has another length")
        message, mac = frame[:-MAC_LENGTH], frame[-MAC_LENGTH:]
        if not keys.equal(mac, keys.m1mac(self._device.rendezvous_root, self._tag, message)):
            raise ProtocolError("m1mac is wrong")
        for generation in self._device.candidates:
            noise = self._handshake(generation)
            try:
                plaintext = noise.read(message)
            except ProtocolError:
                continue
            payload = H1Payload.decode(plaintext)
            if payload.generation != generation.number:
                raise ProtocolError("H1 names another generation")
            self._noise, self._base = noise, generation
            self._step = _Step.CONTEXT
            return payload
        raise ActivationFailedError("H1 opens under no generation of the device")

    def context(self, context: Context) -> bytes:
        """The frame that shows `context` to the device's user."""
        self._enter(_Step.CONTEXT)
        if self._noise is None or context.mode is not self._mode:
            raise RuntimeError("CONTEXT does not belong to this sign-on")
        plaintext = context.encode()
        frame = self._noise.write(plaintext)
        self._send, self._receive = self._noise.split()
        self._context_hash = hashlib.sha256(plaintext).digest()
        self._sign_on_id = context.sign_on_id
        self._agent_random = context.agent_random
        self._step = _Step.DECISION
        return frame

    def receive_decision(self, frame: bytes) -> Decision:
        """The verified decision about exactly the context that was sent. Raises ProtocolError."""
        self._enter(_Step.DECISION)
        decision = Decision.decode(self._receive.decrypt(b"", frame))
        self._check_sign_on_id(decision.sign_on_id)
        if not keys.equal(decision.context_hash, self._context_hash):
            raise ProtocolError("DECISION is about another CONTEXT")
        if not keys.equal(decision.passcode.encode(), self._passcode.encode()):
            raise ProtocolError("DECISION returns another passcode")
        self._next_root = keys.next_ratchet_root(
            self.handshake_hash, self.base.root, self._agent_random, decision.validator_random
        )
        self._step = _Step.RECEIPT
        return decision

    def receipt(self, outcome: SignOnOutcome, text: str = "") -> bytes:
        """The frame that ends the sign-on for the device. The next root must be durable by now."""
        self._enter(_Step.RECEIPT)
        receipt = Receipt(self._sign_on_id, outcome, self.base.number + 1, text)
        self._step = _Step.CONFIRM
        return self._send.encrypt(b"", receipt.encode())

    def receive_confirm(self, frame: bytes) -> None:
        """Raises ProtocolError."""
        self._enter(_Step.CONFIRM)
        confirm = Confirm.decode(self._receive.decrypt(b"", frame))
        self._check_sign_on_id(confirm.sign_on_id)
        self._step = _Step.DONE

    def _handshake(self, generation: Generation) -> Handshake:
        return Handshake(
            KKPSK0,
            False,
            keys.prologue(self._mode, self._tag),
            HandshakeKeys(
                self._static,
                self._device.public,
                keys.psk(generation.root, self._input),
                self._ephemeral or X25519PrivateKey.generate(),
            ),
        )
