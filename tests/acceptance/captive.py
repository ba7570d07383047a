"""A real agent and a real device whose only relay, or one of two, is evil."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from pam_agent.local_wire import Result
from pam_agent.settings import Relay
from protocol.address import TcpAddress, UnixAddress
from protocol.signon_messages import Verdict
from tests.support.agent import RunningAgent, linked, relay_settings, start_agent
from tests.support.caller import Caller
from tests.support.evil_relay import Deed, EvilRelay, evil_relay
from tests.support.patience import until
from tests.support.phone import Phone, enrolled
from tests.support.recorded_log import RecordedLog, recorded_log
from tests.support.relay import RunningRelay, start_relay
from tests.support.together import timers
from validator.outcomes import Outcome

USER = "alice.archer"
HOST = "web1.example.net"
SERVICE = "sshd-of-web1"
NOTE = "systemctl restart the-one-service"
REMOTE = "203.0.113.99"
TEXTS = (USER, HOST, SERVICE, NOTE, REMOTE)
"""What is in a CONTEXT and must be in nothing that a relay sees. Long enough not to come by chance
in what looks random."""


@dataclass
class Captive:
    """`phone` is the user's."""

    evil: EvilRelay
    agent: RunningAgent
    phone: Phone
    log: RecordedLog
    honest: RunningRelay | None
    passcodes: list[str]

    @asynccontextmanager
    async def call(self, user: str = USER) -> AsyncIterator[tuple[Caller, str]]:
        """A sign-on that shows its passcode."""
        said = {"service": SERVICE, "note": NOTE, "rhost": REMOTE}
        async with self.agent.call(user, **said) as caller:
            code = await caller.passcode()
            self.passcodes.append(code)
            yield caller, code

    async def sign_on(self, verdict: Verdict = Verdict.APPROVE) -> tuple[Outcome, str]:
        """One sign-on of the user: what the device says in the end, and what the agent's log.

        The caller goes away once the device has ended, so that nothing is waited for.
        """
        await self.agent.idle()
        count = len(self.log.named("sign-on ended"))
        async with self.call() as (caller, code):
            ending = await self.phone.sign_on(code, verdict)
            if ending.outcome is Outcome.SIGNED_ON:
                assert await caller.result() is Result.APPROVED
        line = await self.log.event("sign-on ended", count + 1)
        return ending.outcome, line["outcome"]

    async def linked(self) -> None:
        """Its links are up: a relay that is evil may just have lost one."""
        await until(lambda: all(link.protocol.up for link in self.agent.host.links))

    async def check_honest(self) -> None:
        """When the relay reads along only, the device is as good as ever."""
        self.evil.deed = Deed()
        await self.linked()
        ended = await self.sign_on()
        assert ended == (Outcome.SIGNED_ON, "approved"), ended
        device = await self.agent.host.accounts.device(self.phone.device_id)
        assert (device.disabled, device.failures) == (None, 0)
        assert not self.log.named("device disabled")

    def check_blind(self) -> None:
        """Nothing that the relay saw says who, where, what, or any passcode."""
        seen = bytes(self.evil.seen)
        assert seen
        for text in (*TEXTS, *self.passcodes):
            assert text.encode() not in seen
        for code in self.passcodes:
            assert f"{code[:4]} {code[4:]}".encode() not in seen


@asynccontextmanager
async def captive(
    folder: Path, deed: Deed | None = None, *, with_honest: bool = False, **quick: float
) -> AsyncIterator[Captive]:
    """At the end the relay must have learned nothing, and nothing may be left of any sign-on."""
    with recorded_log() as log:
        async with evil_relay(folder, deed or Deed()) as there, trio.open_nursery() as nursery:
            address = (TcpAddress("127.0.0.1", there.port),)
            relays = [Relay(UnixAddress(str(there.agents)), None, address)]
            honest: RunningRelay | None = None
            if with_honest:
                honest = await start_relay(nursery, folder)
                relays.append(relay_settings(honest))
            agent = await start_agent(nursery, folder, relays, host=HOST, timers=timers(**quick))
            await linked(agent)
            phone = await enrolled(agent.host, USER)
            parts = Captive(there.evil, agent, phone, log, honest, [])
            yield parts
            parts.check_blind()
            await agent.idle()
            await agent.stop()
            nursery.cancel_scope.cancel()
