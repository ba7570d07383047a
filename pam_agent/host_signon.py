"""shell. One sign-on at the host: from PAM's call, by the user's terminal, to PAM's result."""

import secrets
from typing import Final

import structlog
import trio

from pam_agent import conversation
from pam_agent.approval import Approval, Subject
from pam_agent.conversation import Display
from pam_agent.host import Host
from pam_agent.local_socket import Caller, Module, ModuleGoneError
from pam_agent.local_wire import RecordType, Start
from pam_agent.outcomes import SignOnEnd, result_of
from pam_agent.policy import may_ask, usable
from pam_agent.records import AccountStanding
from pam_agent.schema import StoreError
from pam_agent.waiting import Place
from protocol import passcode, sign_on_id
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import RANDOM_LENGTH
from protocol.signon_messages import Context

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
    """One call of the PAM module. `_end` starts as a denial, and only `_approve` can change it to
    an approval."""

    def __init__(self, host: Host, module: Module, caller: Caller, start: Start) -> None:
        self._host: Final = host
        self._module: Final = module
        self._caller: Final = caller
        self._start: Final = start
        self._id: Final = sign_on_id.generate()
        self._end = SignOnEnd.STOPPED
        self._began: Final = host.clock()
        self._approval: Approval | None = None
        self._standing = AccountStanding()
        self._scope = trio.CancelScope()
        self._shown: float | None = None

    async def run(self) -> None:
        """The result reaches the module before CONFIRM is waited for; one log line at the end."""
        try:
            await self._sign_on()
            await self._tell()
            ended = self._host.clock()
            if self._approval is not None:
                try:
                    await self._approval.finish()
                except StoreError as error:
                    _log.error("store failed", sign_on_id=self._short_id, reason=str(error))
            self._report(ended)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):  # the agent stops: a short word, then the end
                await self._tell()
            self._report(self._host.clock())
            raise
        finally:
            if self._approval is not None:
                self._approval.abandon()

    # ---- the way to a decision -------------------------------------------------------------------

    async def _sign_on(self) -> None:
        host, start, caller = self._host, self._start, self._caller
        display = conversation.display_for(start.service, host.services)
        if not may_ask(caller.uid, caller.name, start.user, start.service, host.callers):
            self._end = SignOnEnd.NOT_ALLOWED
        elif display is Display.REFUSE:
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
                    await self._approve(place, display)
                except StoreError as error:
                    _log.error("store failed", sign_on_id=self._short_id, reason=str(error))
                    self._end = SignOnEnd.STORE_FAILED
                except ModuleGoneError:
                    self._end = SignOnEnd.CANCELLED
                nursery.cancel_scope.cancel()

    async def _approve(self, place: Place, display: Display) -> None:
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
                usable(devices, host.wall_clock()),
                self._context,
            ),
        )
        if not await approval.queue():
            self._end = SignOnEnd.UNAVAILABLE
            return
        await self._show(place.passcode, display)
        self._shown = host.clock()
        end = await approval.decision()
        if end is not SignOnEnd.APPROVED:
            await host.accounts.note_unsuccessful(user)
        if not self._scope.cancel_called:
            self._end = end

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
                    self._end = SignOnEnd.CONVERSATION_FAILED
                    break
        except (ModuleGoneError, ProtocolError):
            self._end = SignOnEnd.CANCELLED
        self._scope.cancel()

    def _revoked(self) -> None:
        self._end = SignOnEnd.REVOKED
        self._scope.cancel()

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

    def _report(self, ended: float) -> None:
        """The canonical line of this sign-on. Steps in seconds from its start."""
        start, approval = self._start, self._approval
        device = None if approval is None else approval.device
        steps: dict[str, float] = {}
        if approval is not None:
            before = approval.started - self._began
            steps = {step: round(before + at, 6) for step, at in approval.times.items()}
        if self._shown is not None:
            steps["shown"] = round(self._shown - self._began, 6)
        steps["ended"] = round(ended - self._began, 6)
        _log.info(
            "sign-on ended",
            sign_on_id=self._short_id,
            outcome=self._end.value,
            user=start.user,
            service=start.service,
            remote=start.rhost,
            tty=start.tty,
            caller=self._caller.uid,
            device=None if device is None else device.id,
            relay="" if approval is None else approval.relay,
            began=round(self._host.wall_clock() - (self._host.clock() - self._began), 6),
            steps=steps,
        )
