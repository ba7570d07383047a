"""shell. A sign-on whose passcode is shown: a device approves it, or a code is typed."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from pam_agent.approval import Approval
from pam_agent.approver_note import note_of
from pam_agent.call import Call
from pam_agent.dialogue import Dialogue, Reply
from pam_agent.joining import with_others
from pam_agent.methods import Method
from pam_agent.outcomes import LETS_IN, OF_DEVICES, SignOnEnd
from pam_agent.pending import Leading
from pam_agent.policy import asked
from pam_agent.records import AccountStanding
from pam_agent.request_screen import (
    Screen,
    is_judged,
    joined_screen,
    offered_codes,
    screen,
    taken_codes,
)
from pam_agent.schema import StoreError
from pam_agent.service_policy import methods_for
from pam_agent.session import Session, Subject
from pam_agent.typed_code import judge
from pam_agent.waiting import Place
from protocol import passcode
from protocol.keys import Mode
from protocol.limits import RANDOM_LENGTH
from protocol.signon_messages import Context


class ShownSignOn:
    """One of them, alone or with others that wait with it."""

    def __init__(self, call: Call, dialogue: Dialogue) -> None:
        self._call: Final = call
        self._dialogue: Final = dialogue
        self._standing = AccountStanding()
        self._place: Place | None = None
        self._offered: frozenset[Method] = frozenset()
        self._allowed: frozenset[Method] = frozenset()
        self._unqueued = SignOnEnd.NOT_SHOWN
        """Why there is nothing to approve: at first, because no relay is asked."""
        self._valid_until = 0.0
        self._end: SignOnEnd | None = None
        self._scope = trio.CancelScope()
        self.approval: Approval | None = None
        """What asks the devices, once it does."""

    @property
    def session(self) -> Session | None:
        """The last one with a device."""
        return None if self.approval is None else self.approval.session

    @property
    def running(self) -> bool:
        """Whether a device is asked now."""
        return self.approval is not None and self.approval.running

    def no_help(self) -> dict[str, str]:
        """Why each relay has not queued it, by its address."""
        return {} if self.approval is None else self.approval.no_help()

    def told(self, end: SignOnEnd) -> bool:
        """Whether a device knows this end already."""
        return end in OF_DEVICES and self.session is not None and self.session.answered

    async def finish(self, end: SignOnEnd) -> None:
        """What a device is still owed when PAM has been told `end`. Raises StoreError."""
        session = self.session
        if self.approval is None:
            return
        if end in LETS_IN:
            host = self._call.host
            host.requests.add(self._call.account, host.clock(), -1)
        if session is None:
            return
        if session.decided is not None or end is SignOnEnd.UNDECIDED:
            await self.approval.finish()
        self.approval.abandon()

    def leave(self) -> None:
        """Free the place, when nothing can take the end back any more."""
        if self._place is not None:
            self._call.host.waiting.leave(self._place)
            self._place = None

    def abandon(self) -> None:
        """Withdraw whatever still is at a relay."""
        if self.approval is not None:
            self.approval.abandon()

    def forget(self) -> None:
        """The keys."""
        self.approval = None

    async def run(self, revoked: Callable[[], None]) -> SignOnEnd:
        """How it ends. `revoked` is called when a device of the account is revoked meanwhile.

        Raises StoreError or ModuleGoneError.
        """
        alone = partial(self._alone, revoked)
        return await with_others(self._call, self._call.lease_key(), alone, self._waits)

    async def _alone(self, revoked: Callable[[], None]) -> SignOnEnd:
        call, host, now = self._call, self._call.host, self._call.host.clock()
        asks_relays = Method.APPROVE in call.policy.methods
        if asks_relays and not host.requests.room(call.account, now):
            return SignOnEnd.TOO_MANY
        self._place = host.waiting.enter(call.account, passcode.generate, revoked)
        if self._place is None:
            return SignOnEnd.TOO_MANY
        if asks_relays:
            host.requests.add(call.account, now, 1)
        return await self._with_place(self._place)

    async def _with_place(self, place: Place) -> SignOnEnd:
        call, accounts = self._call, self._call.host.accounts
        own = await accounts.methods_of(call.account, call.start.service)
        allowed = methods_for(call.policy, own)
        self._standing = await accounts.account_standing(call.account)
        queued = Method.APPROVE in call.policy.methods and await self._queue(
            place.passcode, Method.APPROVE in allowed
        )
        offered = offered_codes(
            call.policy, trusted=call.trusted, first_factor=bool(call.first_factor)
        )
        if not queued and not offered:
            return self._unqueued
        self._offered, self._allowed = offered, allowed
        self._valid_until = call.host.clock() + call.policy.timers.validation
        reply = await self._show(
            screen(
                call.policy,
                call.host.label,
                place.passcode,
                call.id,
                queued=queued,
                offered=offered,
            )
        )
        call.mark("shown")
        return await self._decided(place.passcode, reply, queued=queued)

    async def _queue(self, code: str, allowed: bool) -> bool:
        """Whether a relay has it. For an account that is not `allowed` to, it is a decoy."""
        call, host = self._call, self._call.host
        devices = await host.accounts.devices(call.account)
        if not allowed:
            devices = ()
        self.approval = Approval(
            host,
            Subject(
                call.id,
                Mode.PASSCODE,
                code,
                asked(devices, host.wall_clock()),
                call.steps,
                call.policy.timers,
                self._context,
            ),
        )
        if await self.approval.queue():
            return True
        self._unqueued = SignOnEnd.UNAVAILABLE if self.approval.unreached else SignOnEnd.NOT_QUEUED
        self.approval.abandon()  # nobody would answer a device that came to one that is late
        return False

    # ---- what is shown ---------------------------------------------------------------------------

    async def _show(self, shown: Screen) -> Reply | None:
        """The reply, where something may be answered. Raises ModuleGoneError."""
        await self._dialogue.show(*shown.texts)
        return None if shown.prompt is None else await self._dialogue.prompt(shown.prompt)

    async def _waits(self, leading: Leading) -> None:
        call = self._call
        await self._show(joined_screen(call.policy, call.host.label, call.id, leading.sign_on_id))

    def _context(self, seconds_left: int) -> Context:
        call, start, host = self._call, self._call.start, self._call.host
        return Context(
            sign_on_id=call.id,
            agent_random=secrets.token_bytes(RANDOM_LENGTH),
            user=call.account,
            host=host.label,
            service=start.service,
            remote_address=start.rhost,
            tty=start.tty,
            agent_time=int(host.wall_clock()),
            first_factor=call.first_factor,
            seconds_left=seconds_left,
            note=note_of(start, call.account),
            last_success=self._standing.last_success,
            failures=self._standing.failures_since,
        )

    # ---- how it is decided -----------------------------------------------------------------------

    async def _decided(self, code: str, reply: Reply | None, *, queued: bool) -> SignOnEnd:
        """By a device or by what is typed, whatever comes first."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                if reply is not None:
                    nursery.start_soon(self._settle_by, self._answered, code, reply, queued)
                if queued and self.approval is not None:
                    nursery.start_soon(self._settle_by, self.approval.decision, self._valid_until)
                else:
                    nursery.start_soon(self._settle_by, self._expired)
        return SignOnEnd.STOPPED if self._end is None else self._end

    async def _settle_by(
        self, decide: Callable[..., Awaitable[SignOnEnd | None]], *args: object
    ) -> None:
        """The first end that is found is the one.

        Nothing awaits between an approval's RECEIPT and here: it is void by then, or the device was
        told the truth.
        """
        try:
            end = await decide(*args)
        except StoreError as error:
            self._call.log_store(error)
            end = SignOnEnd.STORE_FAILED
        if end is not None and self._end is None:
            self._end = end
            self._scope.shield = True  # whoever gives up from here on is too late for it
            self._scope.cancel()

    async def _answered(self, code: str, reply: Reply, queued: bool) -> SignOnEnd | None:
        """What the answer to the prompt leads to; None when it only goes on to wait."""
        call = self._call
        typed = (await reply.text()).strip()
        if typed == call.start.user:
            return SignOnEnd.NOT_SHOWN  # a program that answers everything by the user's name
        if not typed and not queued and Method.APPROVE in call.policy.methods:
            return self._unqueued
        if queued and not is_judged(typed, self._offered, trusted=call.trusted):
            return None
        call.mark("typed")
        if call.host.clock() >= self._valid_until:
            return SignOnEnd.EXPIRED
        return await judge(call, typed, taken_codes(self._offered, self._allowed), code)

    async def _expired(self) -> SignOnEnd:
        """Where no device is asked, which would know the time."""
        await trio.sleep(self._call.policy.timers.validation)
        return SignOnEnd.EXPIRED
