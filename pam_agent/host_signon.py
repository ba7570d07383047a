"""shell. One sign-on at the host: from PAM's call, by the user's terminal, to PAM's result."""

import secrets
from typing import Final

import structlog
import trio

from pam_agent import conversation
from pam_agent.approval import Approval
from pam_agent.host import Host
from pam_agent.local_socket import Caller, Module, ModuleGoneError
from pam_agent.local_wire import RecordType, Start
from pam_agent.outcomes import SignOnEnd, result_of
from pam_agent.policy import asked, may_ask
from pam_agent.records import AccountStanding, Decided
from pam_agent.schema import StoreError
from pam_agent.service_policy import Display, policy_of
from pam_agent.session import Subject
from pam_agent.sign_ons import Kind, Stage, Story
from pam_agent.steps import Steps
from pam_agent.waiting import Place
from protocol import passcode, sign_on_id
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import RANDOM_LENGTH
from protocol.signon_messages import Context, Verdict
from protocol.text import clean

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def serve_module(host: Host, stream: trio.SocketStream) -> None:
    """One connection of the PAM module, from its start record to its result."""
    module = Module(stream)
    caller = await module.caller()
    try:
        start = await module.start()
    except ProtocolError as error:
        _log.warning("caller refused", uid=caller.uid, reason=str(error))
    except ModuleGoneError:
        pass
    else:
        await HostSignOn(host, module, caller, start).run()


class HostSignOn:
    """One call of the PAM module. Whatever happens, it ends as denied unless `_approve` has seen an
    approval, and a denial that comes before the module has its result takes that back."""

    kind: Final = Kind.SIGN_ON

    def __init__(self, host: Host, module: Module, caller: Caller, start: Start) -> None:
        self._host: Final = host
        self._module: Final = module
        self._caller: Final = caller
        self._start: Final = start
        self._id: Final = sign_on_id.generate()
        self._steps: Final = Steps(host.clock())
        self._end = SignOnEnd.STOPPED
        self._approval: Approval | None = None
        self._standing = AccountStanding()
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """The result reaches the module before CONFIRM is waited for; one log line at the end."""
        self._host.sign_ons.begin(self._short_id, self)
        try:
            try:
                await self._sign_on()
            finally:
                self._mark("ended")
                with trio.CancelScope(shield=True):  # a stopping agent says so, too
                    await self._tell()
            await self._finish()
        finally:
            if self._approval is not None:
                self._approval.abandon()
            self._host.sign_ons.end(self.story(), self._host.clock())
            self._report()
            # It knows us, too: without this, keys would stay in memory until cycles are collected.
            self._approval = None

    # ---- the way to a decision -------------------------------------------------------------------

    async def _sign_on(self) -> None:
        host, start, caller = self._host, self._start, self._caller
        display = policy_of(start.service, host.services, host.timers).display
        if not may_ask(caller.uid, caller.name, start.user, start.service, host.callers):
            self._end = SignOnEnd.NOT_ALLOWED
        elif display not in (Display.PROMPT, Display.INFO):
            self._end = SignOnEnd.NOT_SHOWN
        elif (place := host.waiting.enter(start.user, passcode.generate, self._revoked)) is None:
            self._end = SignOnEnd.TOO_MANY
        else:
            try:
                await self._with_place(place, display)
            finally:
                host.waiting.leave(place)

    async def _with_place(self, place: Place, display: Display) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_module)
                try:
                    end = await self._approve(place, display)
                except StoreError as error:
                    self._log_store(error)
                    end = SignOnEnd.STORE_FAILED
                except ModuleGoneError:
                    end = SignOnEnd.CANCELLED
                # Nothing awaits between an approval's RECEIPT and this line: it is void here, or
                # the device was told the truth.
                await trio.lowlevel.checkpoint_if_cancelled()
                self._end = end
                nursery.cancel_scope.cancel()

    async def _approve(self, place: Place, display: Display) -> SignOnEnd:
        """Raises StoreError or ModuleGoneError."""
        host, user = self._host, self._start.user
        devices = await host.accounts.devices(user)
        self._standing = await host.accounts.account_standing(user)
        self._approval = approval = Approval(
            host,
            Subject(
                self._id,
                Mode.PASSCODE,
                place.passcode,
                asked(devices, host.wall_clock()),
                self._steps,
                self._context,
            ),
        )
        if not await approval.queue():
            return SignOnEnd.UNAVAILABLE
        await self._show(place.passcode, display)
        self._mark("shown")
        return await approval.decision()

    async def _show(self, code: str, display: Display) -> None:
        host = self._host
        seconds = host.timers.validation
        if display is Display.PROMPT:
            text = conversation.prompt_text(host.label, code, self._id, seconds)
            await self._module.prompt(text)
        else:
            await self._module.show(conversation.request_text(host.label, code, self._id, seconds))

    async def _watch_module(self) -> None:
        """Whatever the caller does ends the sign-on, except an answer: Enter only goes on."""
        try:
            while True:
                kind, _answer = await self._module.receive()
                if kind is not RecordType.ANSWER:
                    self._give_up(SignOnEnd.CONVERSATION_FAILED)
                    return
        except (ModuleGoneError, ProtocolError):
            self._give_up(SignOnEnd.CANCELLED)

    def _revoked(self) -> None:
        self._give_up(SignOnEnd.REVOKED)

    def _give_up(self, end: SignOnEnd) -> None:
        """The first reason stays, but no approval stands against one."""
        if self._end in (SignOnEnd.STOPPED, SignOnEnd.APPROVED):
            self._end = end
        self._scope.cancel()

    async def _finish(self) -> None:
        """What is left to do for the device and for the account when PAM has its result."""
        approval, session = self._approval, None
        if approval is None or "shown" not in self._steps.at:
            return
        try:
            session = approval.session
            if session is not None and (
                session.decided is not None or self._end is SignOnEnd.UNDECIDED
            ):
                await approval.finish()
            approval.abandon()
            # A decision that moved the ratchet has been counted with it.
            if session is None or session.decided is not Decided.MOVED:
                await self._host.accounts.note_unsuccessful(self._start.user)
        except StoreError as error:
            self._log_store(error)

    # ---- what others learn of it -----------------------------------------------------------------

    def _context(self, seconds_left: int) -> Context:
        start, host = self._start, self._host
        return Context(
            sign_on_id=self._id,
            agent_random=secrets.token_bytes(RANDOM_LENGTH),
            user=start.user,
            host=host.label,
            service=start.service,
            remote_address=start.rhost,
            tty=start.tty,
            agent_time=int(host.wall_clock()),
            first_factor=start.first_factor,
            seconds_left=seconds_left,
            note=start.note,
            last_success=self._standing.last_success,
            failures=self._standing.failures_since,
        )

    async def _tell(self) -> None:
        try:
            text = conversation.ending_text(self._end, self._id)
            await self._module.end(text, result_of(self._end))
        except ModuleGoneError:
            pass  # the log says how it ended

    @property
    def _short_id(self) -> str:
        return sign_on_id.display(self._id)

    def _mark(self, step: str) -> None:
        self._steps.mark(step, self._host.clock())

    @property
    def stage(self) -> Stage:
        if "ended" in self._steps.at:
            return Stage.FINISHING
        if self._approval is not None and self._approval.running:
            return Stage.RUNNING
        return Stage.WAITING if "shown" in self._steps.at else Stage.QUEUEING

    def story(self) -> Story:
        start, approval = self._start, self._approval
        ended = "ended" in self._steps.at
        unavailable = self._end is SignOnEnd.UNAVAILABLE
        session = None if approval is None else approval.session
        return Story(
            Kind.SIGN_ON,
            self._short_id,
            outcome=self._end.value if ended else "",
            stage=self.stage.value,
            user=clean(start.user),
            began=self._began,
            steps=dict(self._steps.at),
            counts=dict(self._steps.count),
            service=clean(start.service),
            remote=clean(start.rhost),
            tty=clean(start.tty),
            caller=self._caller.uid,
            device=-1 if session is None else session.device.id,
            device_name="" if session is None else clean(session.device.name),
            relay="" if session is None else str(session.handle.link.address),
            verdict=self._verdict,
            reason="" if session is None else clean(session.reason),
            relays=approval.no_help() if unavailable and approval is not None else {},
        )

    @property
    def _began(self) -> float:
        """In Unix seconds."""
        host = self._host
        return round(host.wall_clock() - (host.clock() - self._steps.began), 6)

    @property
    def _verdict(self) -> str:
        session = None if self._approval is None else self._approval.session
        verdict = None if session is None else session.verdict
        return "" if verdict is None else verdict.name.lower()

    def _log_store(self, error: StoreError) -> None:
        _log.error("store failed", sign_on_id=self._short_id, reason=str(error))

    def _report(self) -> None:
        """The canonical line of this sign-on. Steps in seconds from its start.

        A warning when a user reported it, even too late, or a disabled device was used.
        """
        start = self._start
        session = None if self._approval is None else self._approval.session
        reported = session is not None and session.verdict is Verdict.REPORT
        alarming = reported or self._end is SignOnEnd.DISABLED
        say = _log.warning if alarming else _log.info
        say(
            "sign-on ended",
            sign_on_id=self._short_id,
            outcome=self._end.value,
            user=start.user,
            service=start.service,
            remote=start.rhost,
            tty=start.tty,
            caller=self._caller.uid,
            device=None if session is None else session.device.id,
            relay="" if session is None else str(session.handle.link.address),
            verdict=self._verdict or None,
            reason="" if session is None else session.reason,
            began=self._began,
            steps=self._steps.at,
        )
