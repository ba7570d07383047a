"""shell. One approval: queued at every relay, proved by M-AUTH, durable before every reply.

It drives protocol.signon's machine over whichever relay first brings a good validator. The machine
proves, the store decides about the ratchet; what is left here is order and time.
"""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pam_agent.fan_out import FanOut
from pam_agent.host import Host
from pam_agent.link import FrameCame, LinkLost, WasClosed, WasPaired, WasRefused
from pam_agent.outcomes import SignOnEnd
from pam_agent.records import Decided, Device
from pam_agent.relay_link import RelayEvent, RequestHandle
from protocol import keys
from protocol.errors import ActivationFailedError, ProtocolError
from protocol.keys import Mode
from protocol.limits import TAG_LENGTH
from protocol.ratchet import Generation, Ratchet
from protocol.signon import AgentSignOn
from protocol.signon_messages import Context, Decision, SignOnOutcome, Verdict

MAX_RESUMES: Final = 4
"""How often a sign-on waits again after its validator's connection broke: a phone that changes its
network twice, and as much again."""

LATE_GRACE: Final = 15.0
"""Seconds after the acknowledgement window in which a device that decides late is told so."""


@dataclass(frozen=True)
class Subject:
    """What is to be approved. No `devices`: a decoy, that waits like any other.

    `context` makes the CONTEXT from the seconds that are left to decide.
    """

    sign_on_id: bytes
    mode: Mode
    passcode: str = field(repr=False)
    devices: tuple[Device, ...]
    context: Callable[[int], Context]

    def tags(self) -> tuple[bytes, ...]:
        """A tag for each device, in order (16 bytes each); a random one for a decoy."""
        p = keys.passcode_input(self.mode, self.passcode)
        tags = tuple(keys.tag(device.rendezvous_root, p) for device in self.devices)
        return tags or (secrets.token_bytes(TAG_LENGTH),)


@dataclass(frozen=True)
class _Session:
    """A validator that has opened H1: the only one that is listened to from then on."""

    handle: RequestHandle
    device: Device
    opened: Ratchet
    machine: AgentSignOn
    decide_by: float


class Approval:
    """One approval, from the queue to CONFIRM: `queue`, `decision`, `finish`, always `abandon`."""

    def __init__(self, host: Host, subject: Subject) -> None:
        self._host: Final = host
        self._subject: Final = subject
        self.started: Final = host.clock()
        """By the host's clock."""
        self._valid_until = math.inf
        self._requests: Final = FanOut(host, subject.sign_on_id, subject.tags())
        self._paired: dict[RequestHandle, int] = {}
        self._session: _Session | None = None
        self._decided = False
        self._resumes = 0
        self._counted: set[bytes] = set()
        self.times: Final[dict[str, float]] = {}
        """Seconds from the start to each step, for the log."""
        self.relay = ""
        """The relay that brought the validator, for the log."""

    @property
    def device(self) -> Device | None:
        """The device that opened H1."""
        return None if self._session is None else self._session.device

    async def queue(self) -> bool:
        """Whether any relay has queued the request in time. Only then may a passcode be shown."""
        timers = self._host.timers
        self._requests.submit(self.started + timers.queue + timers.validation)
        if not await self._requests.queued(self.started + timers.queue):
            return False
        self._mark("queued")
        return True

    async def decision(self) -> SignOnEnd:
        """The verified decision, or the reason why there is none. Raises StoreError."""
        self._valid_until = self._host.clock() + self._host.timers.validation
        end: SignOnEnd | None = None
        while end is None:
            deadline = self._valid_until if self._session is None else self._session.decide_by
            event = await self._requests.next(deadline)
            if event is not None:
                end = await self._handle(event)
            else:
                end = SignOnEnd.EXPIRED if self._session is None else SignOnEnd.UNDECIDED
        return end

    async def finish(self) -> None:
        """Wait a moment for CONFIRM, or for a decision that comes too late. Raises StoreError."""
        session = self._session
        if session is None:
            return
        timers = self._host.timers
        deadline = self._host.clock() + (timers.confirm if self._decided else LATE_GRACE)
        while (event := await self._requests.next(deadline)) is not None:
            match event.event:
                case FrameCame(frame) if self._decided:
                    await self._confirm(session, frame)
                    break
                case FrameCame(frame):
                    await self._decide(session, frame)
                    if not self._decided:
                        break
                    deadline = self._host.clock() + timers.confirm
                case _:
                    break
        if self._decided:
            self._requests.done(session.handle)

    def abandon(self) -> None:
        """Withdraw whatever still is at a relay."""
        self._requests.withdraw()

    # ---- waiting ---------------------------------------------------------------------------------

    def _resume(self) -> SignOnEnd | None:
        """The validator's connection broke before a decision: its user may try again."""
        self._session = None
        self._requests.withdraw()
        self._resumes += 1
        if self._resumes > MAX_RESUMES:
            return SignOnEnd.UNDECIDED
        self._requests.submit(self._valid_until)
        return None

    async def _handle(self, event: RelayEvent) -> SignOnEnd | None:
        handle, session = event.handle, self._session
        if session is not None:
            match event.event:
                case FrameCame(frame):
                    return await self._decide(session, frame)
                case _:
                    return self._resume()
        match event.event:
            case WasPaired(tag_index):
                self._mark("paired")
                self._paired[handle] = tag_index
            case FrameCame(frame) if handle in self._paired:
                await self._open(handle, self._paired.pop(handle), frame)
            case WasRefused() | WasClosed() | LinkLost():
                self._paired.pop(handle, None)
            case _:
                pass
        return None

    # ---- M-AUTH ----------------------------------------------------------------------------------

    async def _open(self, handle: RequestHandle, tag_index: int, frame: bytes) -> None:
        """H1: the first good one makes its validator the only one."""
        if not self._subject.devices:
            handle.reject()
            return
        host, subject = self._host, self._subject
        device = await host.accounts.device(subject.devices[tag_index].id)
        machine = AgentSignOn(host.identity.static, device.enrolled, subject.mode, subject.passcode)
        try:
            machine.receive_h1(frame)
        except ActivationFailedError:
            # The relay may deliver one H1 as often as it likes: it counts once.
            if frame not in self._counted:
                self._counted.add(frame)
                await host.accounts.count_failure(device.id, host.wall_clock())
            handle.reject()
            return
        except ProtocolError:
            handle.reject()
            return
        self._mark("opened")
        self.relay = str(handle.link.address)
        self._requests.withdraw(keep=handle)
        self._paired.clear()
        now = host.clock()
        decide_by = min(now + host.timers.acknowledgement, self.started + host.timers.sign_on)
        self._session = _Session(handle, device, device.ratchet, machine, decide_by)
        handle.send(machine.context(subject.context(int(decide_by - now))))

    async def _decide(self, session: _Session, frame: bytes) -> SignOnEnd | None:
        """DECISION: verified, made durable, answered. None when it was no decision after all."""
        machine, host = session.machine, self._host
        try:
            decision = machine.receive_decision(frame)
        except ProtocolError:
            return self._resume()
        in_time = host.clock() <= session.decide_by
        self._mark("decided")
        decided = await host.accounts.decide(
            session.device.id,
            machine.base,
            machine.next_root,
            opened=session.opened,
            success=decision.verdict is Verdict.APPROVE and in_time,
            now=host.wall_clock(),
        )
        if decided is Decided.OVERTAKEN:
            return SignOnEnd.OVERTAKEN
        self._decided = True
        outcome, end = _outcome(decided, decision, in_time)
        session.handle.send(machine.receipt(outcome))
        return end

    async def _confirm(self, session: _Session, frame: bytes) -> None:
        machine = session.machine
        try:
            machine.receive_confirm(frame)
        except ProtocolError:
            return
        successor = Generation(machine.base.number + 1, machine.next_root)
        await self._host.accounts.confirm(session.device.id, successor)
        self._mark("confirmed")

    def _mark(self, step: str) -> None:
        self.times.setdefault(step, round(self._host.clock() - self.started, 6))


def _outcome(
    decided: Decided, decision: Decision, in_time: bool
) -> tuple[SignOnOutcome, SignOnEnd]:
    """What the device is told, and how the sign-on ends; only one way lets anybody in."""
    if decided is not Decided.MOVED:
        return SignOnOutcome.DISABLED, SignOnEnd.DISABLED
    match decision.verdict:
        case Verdict.APPROVE if in_time:
            return SignOnOutcome.SIGNED_ON, SignOnEnd.APPROVED
        case Verdict.APPROVE:
            return SignOnOutcome.TOO_LATE, SignOnEnd.UNDECIDED
        case Verdict.REPORT:
            return SignOnOutcome.REFUSED, SignOnEnd.REPORTED
        case _:
            return SignOnOutcome.REFUSED, SignOnEnd.DENIED
