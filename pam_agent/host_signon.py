"""shell. One sign-on at the host: from PAM's call to PAM's result."""

from typing import Final

import structlog
import trio

from pam_agent import conversation
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.call import Call
from pam_agent.call_report import report, story_of
from pam_agent.dialogue import Dialogue
from pam_agent.entry import decided_at_once
from pam_agent.host import Host
from pam_agent.lease_audit import entry
from pam_agent.lease_uses import LeaseUse
from pam_agent.local_socket import Caller, Module, ModuleGoneError
from pam_agent.local_wire import Start
from pam_agent.outcomes import LETS_IN, OF_DEVICES, SignOnEnd, result_of, told_late
from pam_agent.records import Decided
from pam_agent.schema import StoreError
from pam_agent.service_policy import Display
from pam_agent.shown_signon import ShownSignOn
from pam_agent.sign_ons import Kind, Stage, Story
from pam_agent.silent_signon import sign_on_silently
from protocol.errors import ProtocolError

WRONG_AFTER: Final = 1.0
"""Seconds from an answer to the word that it is not right. What is looked up for a known user and
not for another, and what is written for some codes and not for others, stays below."""

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
    """One call of the PAM module. Whatever happens, it ends as denied unless one of its ways has
    seen what lets in, and a denial that comes before the module has its result takes that back."""

    kind: Final = Kind.SIGN_ON

    def __init__(self, host: Host, module: Module, caller: Caller, start: Start) -> None:
        self._host: Final = host
        self._call: Final = Call(host, caller, start)
        self._dialogue: Final = Dialogue(module)
        self._shown: Final = ShownSignOn(self._call, self._dialogue)
        self._end = SignOnEnd.STOPPED
        self._scope = trio.CancelScope()
        self._silent = False
        """Whether it has a place among those that show nothing."""

    async def run(self) -> None:
        """The result reaches the module before CONFIRM is waited for; one log line at the end."""
        call, sign_ons = self._call, self._host.sign_ons
        sign_ons.begin(call.short_id, self)
        try:
            try:
                await self._sign_on()
            finally:
                self._shown.leave()
                call.mark("ended")
                with trio.CancelScope(shield=True):  # a stopping agent says so, too
                    await self._tell()
            await self._finish()
        finally:
            self._shown.abandon()
            if self._silent:
                self._host.silent.leave()
            sign_ons.end(self.story(), self._host.clock())
            report(call, self._end, self._shown.session)
            # It knows us, too: without this, keys would stay in memory until cycles are collected.
            self._shown.forget()

    async def _sign_on(self) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                try:
                    end = await self._way()
                    if told_late(end):
                        await self._wait_for_wrong()
                    if end in LETS_IN:
                        await self._audit(end)
                except StoreError as error:
                    self._call.log_store(error)
                    self._host.leases.end(self._call.account)  # this sign-on may have granted one
                    end = SignOnEnd.STORE_FAILED
                except ModuleGoneError:
                    end = SignOnEnd.CANCELLED
                # What a device was told stands, unless it was revoked since; any other end that
                # was found while the caller went away, or the agent was stopped, is void.
                if not self._shown.told(end):
                    await trio.lowlevel.checkpoint_if_cancelled()
                if self._end is not SignOnEnd.REVOKED:
                    self._end = end
                nursery.cancel_scope.cancel()

    async def _way(self) -> SignOnEnd:
        """Raises StoreError or ModuleGoneError."""
        call = self._call
        end = await decided_at_once(call, self._dialogue)
        if end is not None:
            return end
        if call.policy.display is Display.SILENT:
            self._silent = self._host.silent.enter()
            if not self._silent:
                return SignOnEnd.TOO_MANY
            return await sign_on_silently(call, self._dialogue)
        return await self._shown.run(self._revoked)

    async def _watch(self) -> None:
        self._give_up(await self._dialogue.watch())

    def _revoked(self) -> None:
        self._give_up(SignOnEnd.REVOKED)

    def _give_up(self, end: SignOnEnd) -> None:
        """The first reason stays, but nothing that lets in stands against one."""
        if self._end is SignOnEnd.STOPPED or self._end in LETS_IN:
            self._end = end
        self._scope.cancel()

    async def _wait_for_wrong(self) -> None:
        steps, now = self._call.steps, self._host.clock()
        answered = steps.began + steps.at["typed"]
        await trio.sleep(max(0.0, answered + WRONG_AFTER - now))

    async def _audit(self, end: SignOnEnd) -> None:
        """What no device's decision has written, before anybody is let in. Raises StoreError."""
        call, host = self._call, self._host
        if end in OF_DEVICES:
            return
        if end is SignOnEnd.LEASE:
            use = LeaseUse(call.account, call.start.service, call.start.rhost)
            if times := host.lease_uses.count(use, host.clock()):
                await host.accounts.audit(entry(host, use, times))
            return
        await host.accounts.audit(
            AuditEntry(
                int(host.wall_clock()),
                AuditKind.SIGN_ON,
                call.account,
                end.value,
                service=call.start.service,
                remote=call.start.rhost,
                device=None if call.device is None else call.device.id,
            )
        )

    async def _tell(self) -> None:
        call = self._call
        try:
            text = conversation.ending_text(self._end, call.id)
            await self._dialogue.end(text, result_of(self._end))
        except ModuleGoneError:
            pass  # the log says how it ended

    async def _finish(self) -> None:
        """What is left to do for the device and for the account when PAM has its result."""
        call, steps = self._call, self._call.steps.at
        try:
            await self._shown.finish(self._end)
            session = self._shown.session
            # Somebody was asked, and no decision or code that moved the store has been counted.
            if "shown" not in steps and "typed" not in steps:
                return
            moved = session is not None and session.decided is Decided.MOVED
            if not moved and self._end not in LETS_IN and self._end is not SignOnEnd.THROTTLED:
                await self._host.accounts.note_unsuccessful(call.account)
        except StoreError as error:
            self._call.log_store(error)
        if self._end in (SignOnEnd.REPORTED, SignOnEnd.DISABLED):
            self._host.leases.end(call.account)

    # ---- what others learn of it -----------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        steps = self._call.steps.at
        if "ended" in steps:
            return Stage.FINISHING
        if self._shown.running:
            return Stage.RUNNING
        waits = not steps.keys().isdisjoint({"shown", "asked", "joined"})
        return Stage.WAITING if waits else Stage.QUEUEING

    def story(self) -> Story:
        not_there = self._end in (SignOnEnd.UNAVAILABLE, SignOnEnd.NOT_QUEUED)
        return story_of(
            self._call,
            self._end if "ended" in self._call.steps.at else None,
            self.stage,
            self._shown.session,
            self._shown.no_help() if not_there else {},
        )
