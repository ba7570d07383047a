"""shell. One approval: queued at every relay until the first good validator, then its session.

What is good, durable and to be answered is the session's; here are order and time.
"""

import math
from typing import Final

from pam_agent.accounts import DeviceGoneError
from pam_agent.fan_out import FanOut
from pam_agent.host import Host
from pam_agent.link_events import FrameCame, Pairing, WasClosed, WasPaired
from pam_agent.outcomes import SignOnEnd
from pam_agent.records import Decided
from pam_agent.relay_link import RelayEvent, RequestHandle
from pam_agent.session import Session, Subject, open_session
from protocol.errors import ProtocolError
from protocol.messages import CloseReason

MAX_RESUMES: Final = 4
"""How often a sign-on is queued again after its validator's connection broke: a phone that changes
its network twice, and as much again."""

LATE_GRACE: Final = 15.0
"""Seconds after the acknowledgement window in which a device that decides late is told so."""

_LEFT: Final = (CloseReason.VALIDATOR_GONE, CloseReason.STALLED)
"""Ends of a transaction that say nothing against the next validator."""


class Approval:
    """One approval, from the queue to CONFIRM: `queue`, `decision`, `finish`, always `abandon`."""

    def __init__(self, host: Host, subject: Subject) -> None:
        self._host: Final = host
        self._subject: Final = subject
        self._valid_until = math.inf
        self._requests: Final = FanOut(host, subject.sign_on_id, subject.tags())
        self._paired: dict[RequestHandle, Pairing] = {}
        self._open: Session | None = None
        self._resumes = 0
        self._counted: set[bytes] = set()
        self.session: Session | None = None
        """The last one, for the log; it may have broken."""

    @property
    def running(self) -> bool:
        """Whether a device is asked now."""
        return self._open is not None

    @property
    def unreached(self) -> bool:
        """Whether no relay is there."""
        return self._requests.unreached

    def no_help(self) -> dict[str, str]:
        """Why each relay has not queued it, by its address."""
        return self._requests.no_help()

    async def queue(self) -> bool:
        """Whether any relay has queued the request in time. Only then may a passcode be shown."""
        began, timers = self._subject.steps.began, self._subject.timers
        self._requests.submit(began + timers.queue + timers.validation)
        if not await self._requests.queued(began + timers.queue):
            return False
        self._mark("queued")
        return True

    async def decision(self, valid_until: float) -> SignOnEnd:
        """The verified decision, or the reason why there is none. Raises StoreError.

        Whoever comes from `valid_until` on (the host's clock) is too late.
        """
        self._valid_until = valid_until
        try:
            while True:
                session = self._open
                deadline = self._valid_until if session is None else session.decide_by
                event = await self._requests.next(deadline)
                if event is None:
                    return SignOnEnd.EXPIRED if self.session is None else SignOnEnd.UNDECIDED
                if session is None:
                    await self._wait(event)
                elif (end := await self._decide(session, event)) is not None:
                    return end
        except DeviceGoneError:
            return SignOnEnd.REVOKED

    async def finish(self) -> None:
        """After a decision, wait a moment for CONFIRM; else for a decision that comes too late.

        A device that hears that it is disabled sends no CONFIRM. Raises StoreError.
        """
        session, host = self._open, self._host
        if session is None:
            return
        try:
            if session.decided is None:
                frame = await self._frame(session, host.clock() + LATE_GRACE)
                if frame is not None:
                    await session.decide(frame)
            if session.answered and session.decided is Decided.MOVED:
                frame = await self._frame(session, host.clock() + self._subject.timers.confirm)
                if frame is not None:
                    await session.confirm(frame)
        except ProtocolError:
            pass  # no decision, or no CONFIRM, after all: nothing is to be told to anybody
        if session.answered:
            self._requests.done(session.handle)

    def abandon(self) -> None:
        """Withdraw whatever still is at a relay."""
        self._requests.withdraw()

    async def _wait(self, event: RelayEvent) -> None:
        """No validator is good yet."""
        handle = event.handle
        match event.event:
            case WasPaired(pairing):
                self._mark("paired")
                self._paired[handle] = pairing
            case FrameCame(pairing, frame) if self._paired.get(handle) is pairing:
                del self._paired[handle]  # what comes behind H1 is of no interest before CONTEXT
                await self._activate(handle, pairing, frame)
            case WasClosed(reason) if reason in _LEFT and self._may_resume():
                self._mark("left")
                self._requests.submit_again(handle)
            case _:
                pass  # queued at one more relay, or refused or lost there: the others go on

    async def _activate(self, handle: RequestHandle, pairing: Pairing, frame: bytes) -> None:
        """H1: the first good one makes its validator the only one."""
        session = await open_session(
            self._host, self._subject, handle, pairing, frame, self._counted
        )
        if session is None:
            self._mark("rejected")
            handle.reject(pairing)
            return
        self._open = self.session = session
        self._requests.withdraw(keep=handle)

    async def _decide(self, session: Session, event: RelayEvent) -> SignOnEnd | None:
        """The end, or None when the validator's connection broke: its user may try again."""
        match event.event:
            case FrameCame(_, frame):
                try:
                    return await session.decide(frame)
                except ProtocolError:
                    pass
            case _:
                pass
        self._open = None
        self._mark("left")
        self._requests.withdraw()
        if not self._may_resume():
            return SignOnEnd.UNDECIDED
        self._requests.submit(self._valid_until)
        return None

    def _may_resume(self) -> bool:
        self._resumes += 1
        return self._resumes <= MAX_RESUMES

    async def _frame(self, session: Session, deadline: float) -> bytes | None:
        """The next frame of the session; None when its validator is gone, or at the deadline."""
        match await self._requests.next(deadline):
            case RelayEvent(event=FrameCame(pairing, frame)) if pairing is session.pairing:
                return frame
            case _:
                return None

    def _mark(self, step: str) -> None:
        self._subject.steps.mark(step, self._host.clock())
