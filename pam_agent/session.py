"""shell. M-AUTH with one validator: from a good H1 to CONFIRM, durable before every reply.

The machine proves, the store decides about the ratchet, outcomes says what follows.
"""

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog
import trio

from pam_agent.accounts import DeviceGoneError
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.host import Host
from pam_agent.link_events import Pairing
from pam_agent.notices import Notice, alert_text
from pam_agent.outcomes import SignOnEnd, concluded
from pam_agent.policy import Timers, answered
from pam_agent.records import Decided, Device
from pam_agent.relay_link import RequestHandle
from pam_agent.steps import Steps
from protocol import keys
from protocol.errors import ActivationFailedError, ProtocolError
from protocol.keys import Mode
from protocol.limits import TAG_LENGTH
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn
from protocol.signon_messages import Context, Decision, Verdict

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True)
class Subject:
    """What is to be approved. No `devices`: a decoy, that waits like any other.

    `context` makes the CONTEXT from the seconds that are left to decide. `settle` makes durable
    what an approval leads to, before the device hears of it; it raises StoreError.
    """

    sign_on_id: bytes
    mode: Mode
    passcode: str = field(repr=False)
    devices: tuple[Device, ...]
    steps: Steps
    timers: Timers
    context: Callable[[int], Context]
    settle: Callable[[Device], Awaitable[None]] | None = None

    def tags(self) -> tuple[bytes, ...]:
        """A tag for each device, in order (16 bytes each); a random one for a decoy."""
        p = keys.passcode_input(self.mode, self.passcode)
        tags = tuple(keys.tag(device.rendezvous_root, p) for device in self.devices)
        return tags or (secrets.token_bytes(TAG_LENGTH),)


class Session:
    """A validator that has opened H1, at one relay."""

    def __init__(
        self,
        host: Host,
        subject: Subject,
        device: Device,
        machine: AgentSignOn,
        handle: RequestHandle,
        pairing: Pairing,
        notices: tuple[Notice, ...],
    ) -> None:
        """`open_session` makes it. `notices` are told in CONTEXT, until a DECISION comes."""
        self.device: Final = device
        self.handle: Final = handle
        self.pairing: Final = pairing
        self.decided: Decided | None = None
        """What the store made of the DECISION, once there was one."""
        self.answered = False
        """Whether RECEIPT was sent, so that CONFIRM may come."""
        self.verdict: Verdict | None = None
        self.reason = ""
        """What the user decided, and said to the administrator about it."""
        now, timers = host.clock(), subject.timers
        self.decide_by: Final = min(
            now + timers.acknowledgement, subject.steps.began + timers.sign_on
        )
        self._host: Final = host
        self._subject: Final = subject
        self._machine: Final = machine
        self._notices: Final = notices
        context = subject.context(int(self.decide_by - now))
        self._context: Final = replace(context, alert=alert_text(notices))
        subject.steps.mark("opened", now)
        self._send(machine.context(self._context))

    async def decide(self, frame: bytes) -> SignOnEnd:
        """DECISION: verified, made durable, answered.

        Raises ProtocolError when it is none. Raises StoreError; then there was no RECEIPT.
        """
        host, machine, settle = self._host, self._machine, self._subject.settle
        decision = machine.receive_decision(frame)
        self.verdict, self.reason = decision.verdict, decision.reason
        now = host.clock()
        in_time = now < self.decide_by
        success = in_time and decision.verdict is Verdict.APPROVE
        self._subject.steps.mark("decided", now)
        decided = await host.accounts.decide(
            self.device.id,
            machine.base,
            machine.next_root,
            opened=self.device.ratchet,
            success=success,
            now=host.wall_clock(),
            shown=self._notices,
            audit=partial(self._audit_entry, decision, in_time),
        )
        self.decided = decided
        if decided is Decided.OVERTAKEN:
            return SignOnEnd.OVERTAKEN
        if decided is Decided.DISABLED:
            await self._alarm()
        if decided is Decided.MOVED and success and settle is not None:
            await settle(self.device)
        wanted = not _given_up()
        outcome, end = concluded(decided, decision.verdict, in_time=in_time, wanted=wanted)
        self._send(machine.receipt(outcome))
        self.answered = True
        return end

    async def confirm(self, frame: bytes) -> None:
        """CONFIRM: the device has stored its next key. Raises ProtocolError or StoreError."""
        machine = self._machine
        machine.receive_confirm(frame)
        successor = Generation(machine.base.number + 1, machine.next_root)
        await self._host.accounts.confirm(self.device.id, successor)
        self._subject.steps.mark("confirmed", self._host.clock())

    def _audit_entry(
        self, decision: Decision, in_time: bool, decided: Decided
    ) -> AuditEntry | None:
        """What the device made of it; the proof of a new device is an enrolment's."""
        if self._subject.mode is not Mode.PASSCODE or decided is Decided.OVERTAKEN:
            return None
        _, end = concluded(decided, decision.verdict, in_time=in_time, wanted=True)
        return AuditEntry(
            int(self._host.wall_clock()),
            AuditKind.SIGN_ON,
            self.device.account,
            end.value,
            service=self._context.service,
            remote=self._context.remote_address,
            device=self.device.id,
            detail=decision.reason,
            handshake=self._machine.handshake_hash,
        )

    async def _alarm(self) -> None:
        """Tell the administrator, if it is this decision that gave a copy of the device away."""
        with contextlib.suppress(DeviceGoneError):
            _tell_if_disabled(
                self._host, self.device, await self._host.accounts.device(self.device.id)
            )

    def _send(self, frame: bytes) -> None:
        self.handle.send(self.pairing, frame)


async def open_session(
    host: Host,
    subject: Subject,
    handle: RequestHandle,
    pairing: Pairing,
    frame: bytes,
    counted: set[bytes],
) -> Session | None:
    """The session that `frame` opens as an H1; None when it is no good.

    A failure that only a holder of the device can cause is counted against it, once for each frame
    in `counted`: the relay may deliver one as often as it likes. Raises StoreError.

    Sign-ons run side by side, and a thief may guess a PIN in all of them at once. So a good H1
    comes after every wrong one that is counted by now: were it otherwise, whatever was open at the
    fourth failure would be as many guesses more.
    """
    if not subject.devices:
        return None
    device = await host.accounts.device(subject.devices[pairing.tag_index].id)
    if not answered(device, host.wall_clock()):
        return None
    machine = AgentSignOn(host.identity.static, device.enrolled, subject.mode, subject.passcode)
    try:
        machine.receive_h1(frame)
    except ActivationFailedError:
        if frame not in counted:
            counted.add(frame)
            after = await host.accounts.count_failure(device.id, host.wall_clock())
            _tell_if_disabled(host, device, after)
        return None
    except ProtocolError:
        return None
    if not answered(await host.accounts.device(device.id), host.wall_clock()):
        return None
    notices = await host.accounts.notices(device.id)
    return Session(host, subject, device, machine, handle, pairing, notices)


def _tell_if_disabled(host: Host, before: Device, after: Device) -> None:
    if before.disabled is None and after.disabled is not None:
        tell_disabled(host, after)


def tell_disabled(host: Host, device: Device) -> None:
    """A device has just become useless: a line for the administrator. Whoever had it may have been
    let in by it, so its account's leases end."""
    host.leases.end(device.account)
    _log.warning("device disabled", user=device.account, device=device.id, reason=device.disabled)


def _given_up() -> bool:
    """Whether this task is cancelled. What the store has begun it ends all the same, and a device
    must not be told of a success that nobody has had."""
    return trio.current_effective_deadline() <= trio.current_time()
