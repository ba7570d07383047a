"""shell. A relay and an agent in one listener, to provoke what real ones do only when things fail.

Speaks the real machines of `protocol` on a real TCP socket in the test's nursery. What is missing
is the link between the two: a validator cannot tell, because a relay passes its frames as they are.
"""

import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import keys, passcode, sign_on_id
from protocol.enrolment import AgentEnrolment, EnrolAnswer, Offer
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, decode_preface, encode_frame
from protocol.keys import Mode
from protocol.limits import MAX_FRAME, PREFACE_LENGTH, RANDOM_LENGTH
from protocol.messages import FROM_VALIDATOR, AuthValidate, decode
from protocol.ratchet import Generation, Ratchet
from protocol.signon import AgentSignOn, EnrolledDevice
from protocol.signon_messages import Context, Decision, SignOnOutcome, Verdict


class At(Enum):
    """A moment in a transaction, at which the double can misbehave."""

    ACCEPT = "accept"
    OPENING = "opening"
    """AuthValidate and H1 (or E1) have been read."""
    FIRST_ANSWER = "first answer"
    """CONTEXT (or E2) is due."""
    DECISION = "decision"
    """DECISION has been read."""
    RECEIPT = "receipt"
    """RECEIPT is due."""
    CONFIRM = "confirm"
    """RECEIPT was sent, CONFIRM not yet read."""


class Fault(Enum):
    """What happens at that moment."""

    RESET = "reset"
    CLOSE = "close"
    SILENCE = "silence"
    GARBAGE = "garbage"
    """A frame of the right length that does not authenticate, then silence."""
    NO_FRAME = "no frame"
    """A frame of length 0."""
    HALF = "half"
    """Half of the frame that is due, then a close."""


class _OverError(Exception):
    """The transaction ends here."""


@dataclass
class Device:
    """What the agent holds of one device."""

    name: str
    public: bytes
    rendezvous_root: bytes
    ratchet: Ratchet
    compare: str
    proved: bool = False
    disabled: bool = False


@dataclass
class Waiting:
    """A sign-on that waits for its validator."""

    device: Device
    mode: Mode
    passcode: str
    context: Context
    outcome: SignOnOutcome | None = None
    """Said in RECEIPT whatever was decided."""
    text: str = ""
    decision: Decision | None = None
    matched: trio.Event = field(default_factory=trio.Event)
    """H1 was good."""
    ended: trio.Event = field(default_factory=trio.Event)
    """CONFIRM came, or the transaction ended without."""
    confirmed: bool = False
    cancelled: trio.Event = field(default_factory=trio.Event)
    """Set by a test: the host gives the sign-on up once it was shown."""


@dataclass
class DirectAgent:
    """One host's agent with its own relay."""

    host: str = "web1"
    user: str = "alice"
    static: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    shard: int = 7
    address: str = ""
    devices: list[Device] = field(default_factory=list)
    proof_after: float = 0.0
    """Seconds from E2 until the proof is queued; below 0 it never is."""
    hold: float = 0.05
    """Seconds that an unmatched validator is held: 5 at a real relay, too long for most tests."""
    faults: dict[At, Fault] = field(default_factory=dict)
    rejecting: trio.Event = field(default_factory=trio.Event)
    """An unmatched validator is being held."""
    misbehaved: trio.Event = field(default_factory=trio.Event)
    """A fault has begun."""
    openings: list[bytes] = field(default_factory=list)
    """What each connection brought with its first segment."""
    context_gate: trio.Event | None = None
    """CONTEXT is sent when it is set."""
    on_confirm: Callable[[], None] = lambda: None
    """Called when CONFIRM has come."""
    proof_context: dict[str, Any] = field(default_factory=dict)
    """Fields of the proof's CONTEXT that differ."""
    proofs: list[Waiting] = field(default_factory=list)
    _waiting: dict[bytes, Waiting] = field(default_factory=dict)
    _offers: dict[bytes, Offer] = field(default_factory=dict)

    # ---- what the host's side does -------------------------------------------------------------

    def offer(self, *, lifetime: float = 600, relays: tuple[str, ...] = ()) -> Offer:
        """A new enrolment offer, queued. `lifetime` in seconds."""
        offer = Offer(
            self.static.public_key().public_bytes_raw(),
            secrets.token_bytes(RANDOM_LENGTH),
            int(time.time() + lifetime),
            self.shard,
            relays or (self.address,),
            self.host,
        )
        self._offers[offer.tag] = offer
        return offer

    def ask(
        self,
        device: Device | None = None,
        mode: Mode = Mode.PASSCODE,
        *,
        outcome: SignOnOutcome | None = None,
        text: str = "",
        **fields: Any,
    ) -> Waiting:
        """Queue a sign-on; `fields` are those of CONTEXT that the test cares about."""
        device = device or self.devices[-1]
        code = passcode.generate() if mode is Mode.PASSCODE else ""
        known: dict[str, Any] = {
            "sign_on_id": sign_on_id.generate(),
            "agent_random": secrets.token_bytes(RANDOM_LENGTH),
            "user": self.user,
            "host": self.host,
            "service": "sshd" if mode is Mode.PASSCODE else "enrolment",
            "agent_time": int(time.time()),
            "seconds_left": 60,
            "mode": mode,
        }
        waiting = Waiting(
            device,
            mode,
            code,
            Context(**(known | fields)),
            outcome,
            text,
        )
        tag = keys.tag(device.rendezvous_root, keys.passcode_input(mode, code))
        self._waiting[tag] = waiting
        return waiting

    # ---- the listener --------------------------------------------------------------------------

    async def serve(self, stream: trio.SocketStream, nursery: trio.Nursery) -> None:
        """One validator's connection."""
        transaction = _Transaction(self, stream, nursery)
        async with stream:
            with suppress(_OverError, ProtocolError, trio.BrokenResourceError):
                await transaction.run()
            # A relay's reset, not a close: what the validator has not read is gone.
            if transaction.reset:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def direct_agent(**settings: Any) -> AsyncIterator[DirectAgent]:
    """A DirectAgent that listens on a port of its own."""
    agent = DirectAgent(**settings)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        host, port = listeners[0].socket.getsockname()[:2]
        agent.address = f"{host}:{port}"
        nursery.start_soon(
            partial(
                trio.serve_listeners,
                partial(agent.serve, nursery=nursery),
                listeners,
                handler_nursery=nursery,
            )
        )
        yield agent
        nursery.cancel_scope.cancel()


class _Transaction:
    def __init__(
        self, agent: DirectAgent, stream: trio.SocketStream, nursery: trio.Nursery
    ) -> None:
        self._agent = agent
        self._stream = stream
        self._nursery = nursery
        self._reader = FrameReader(MAX_FRAME)
        self.reset = False

    async def run(self) -> None:
        await self._moment(At.ACCEPT)
        data = await self._stream.receive_some(4096)
        self._agent.openings.append(bytes(data))
        self._reader.feed(data)
        preface = self._reader.take(PREFACE_LENGTH)
        if preface is None:
            raise ProtocolError("no preface")
        decode_preface(preface)
        message = decode(await self._receive(), FROM_VALIDATOR)
        assert isinstance(message, AuthValidate)
        first = await self._receive()
        await self._moment(At.OPENING)
        offers, waiting = self._agent._offers, self._agent._waiting
        if (offer := offers.get(message.tag)) is not None:
            await self._enrol(offer, first)
        elif (sign_on := waiting.get(message.tag)) is not None:
            try:
                await self._sign_on(sign_on, message.tag, first)
            finally:
                sign_on.ended.set()
        else:
            await self._reject()

    async def _enrol(self, offer: Offer, e1: bytes) -> None:
        agent = self._agent
        machine = AgentEnrolment(offer, agent.static)
        new = machine.receive_e1(e1)
        answer = EnrolAnswer(agent.host, agent.user, secrets.token_bytes(RANDOM_LENGTH))
        e2, enrolled = machine.e2(answer)
        device = Device(
            new.name,
            new.public,
            enrolled.rendezvous_root,
            Ratchet(Generation(0, enrolled.ratchet_root)),
            enrolled.compare,
        )
        agent.devices.append(device)
        del agent._offers[offer.tag]
        if agent.proof_after == 0:
            self._queue_proof(device)
        elif agent.proof_after > 0:
            self._nursery.start_soon(self._queue_proof_later, device)
        await self._moment(At.FIRST_ANSWER, e2)
        await self._send(e2)

    async def _queue_proof_later(self, device: Device) -> None:
        await trio.sleep(self._agent.proof_after)
        self._queue_proof(device)

    def _queue_proof(self, device: Device) -> None:
        self._agent.proofs.append(self._agent.ask(device, Mode.PROOF, **self._agent.proof_context))

    async def _sign_on(self, sign_on: Waiting, tag: bytes, h1: bytes) -> None:
        device = sign_on.device
        opened = device.ratchet
        machine = AgentSignOn(
            self._agent.static,
            EnrolledDevice(device.public, device.rendezvous_root, opened.candidates()),
            sign_on.mode,
            sign_on.passcode,
        )
        try:
            machine.receive_h1(h1)
        except ProtocolError:
            await self._reject()
        del self._agent._waiting[tag]
        sign_on.matched.set()
        context = machine.context(sign_on.context)
        if self._agent.context_gate is not None:
            await self._agent.context_gate.wait()
        await self._moment(At.FIRST_ANSWER, context)
        await self._send(context)
        sign_on.decision = machine.receive_decision(await self._decision(sign_on))
        await self._moment(At.DECISION)
        if device.ratchet.overtaken(machine.base, opened):
            raise _OverError
        moved = device.ratchet.decided(machine.base, machine.next_root)
        if moved is None or device.disabled:
            device.disabled = True
            await self._receipt(machine, SignOnOutcome.DISABLED, sign_on.text)
            sign_on.confirmed = await self._receive_or_none() is not None
            return
        device.ratchet = moved
        approved = sign_on.decision.verdict is Verdict.APPROVE
        outcome = SignOnOutcome.SIGNED_ON if approved else SignOnOutcome.REFUSED
        await self._receipt(machine, sign_on.outcome or outcome, sign_on.text)
        await self._moment(At.CONFIRM)
        machine.receive_confirm(await self._receive())
        self._agent.on_confirm()
        device.ratchet = device.ratchet.confirmed(
            Generation(machine.base.number + 1, machine.next_root)
        )
        device.proved = device.proved or approved
        sign_on.confirmed = True

    async def _decision(self, sign_on: Waiting) -> bytes:
        """DECISION, unless the host gives the sign-on up before it comes."""
        frame: bytes | None = None
        async with trio.open_nursery() as nursery:

            async def cancelled() -> None:
                await sign_on.cancelled.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancelled)
            with suppress(trio.BrokenResourceError, ProtocolError):
                frame = await self._receive_or_none()
            nursery.cancel_scope.cancel()
        if frame is None:
            self.reset = sign_on.cancelled.is_set()
            raise _OverError
        return frame

    async def _receipt(self, machine: AgentSignOn, outcome: SignOnOutcome, text: str) -> None:
        receipt = machine.receipt(outcome, text)
        await self._moment(At.RECEIPT, receipt)
        await self._send(receipt)

    async def _reject(self) -> None:
        """As a relay does: nothing is sent, and after a while the connection is reset."""
        self._agent.rejecting.set()
        await trio.sleep(self._agent.hold)
        self.reset = True
        raise _OverError

    async def _moment(self, at: At, due: bytes = b"") -> None:
        """Misbehave, when the test wants it here; `due` is the frame that comes next."""
        fault = self._agent.faults.get(at)
        if fault is None:
            return
        self._agent.misbehaved.set()
        match fault:
            case Fault.RESET:
                self.reset = True
            case Fault.CLOSE:
                pass
            case Fault.SILENCE:
                await trio.sleep_forever()
            case Fault.GARBAGE:
                await self._send(bytes(len(due)))
                await trio.sleep_forever()
            case Fault.NO_FRAME:
                await self._stream.send_all(bytes(2))
                await trio.sleep_forever()
            case Fault.HALF:
                await self._stream.send_all(encode_frame(due)[: len(due) // 2])
        raise _OverError

    async def _send(self, frame: bytes) -> None:
        await self._stream.send_all(encode_frame(frame))

    async def _receive(self) -> bytes:
        frame = await self._receive_or_none()
        if frame is None:
            raise _OverError
        return frame

    async def _receive_or_none(self) -> bytes | None:
        while (frame := self._reader.next_frame()) is None:
            data = await self._stream.receive_some(4096)
            if not data:
                return None
            self._reader.feed(data)
        return frame
