"""Relay, agent and a phone, all real, in the test's nursery."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from pam_agent.local_wire import Result
from pam_agent.policy import Timers
from relay.limits import Limits
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from tests.support.agent import RunningAgent, linked, relay_settings, start_agent
from tests.support.caller import Caller
from tests.support.patience import until
from tests.support.phone import Phone, enrolled
from tests.support.recorded_log import RecordedLog, recorded_log
from tests.support.relay import RunningRelay, start_relay
from validator.outcomes import Outcome

QUICK_HOLD = Limits(hold=0.2, hold_jitter=0.001)
"""A relay that does not let a validator wait for long."""


def timers(**quick: float) -> Timers:
    """Long ones for whatever is not named."""
    return Timers(**({"validation": 20.0, "acknowledgement": 10.0} | quick))


@dataclass
class Together:
    """`phone` is alice's; it tries the relays in their order."""

    relays: list[RunningRelay]
    agent: RunningAgent
    phone: Phone
    log: RecordedLog
    nursery: trio.Nursery

    @property
    def relay(self) -> RunningRelay:
        return self.relays[0]

    async def ended(self, outcome: str, count: int = 1) -> dict[str, Any]:
        """The agent's line about the `count`-th sign-on, once nothing is left of it."""
        line = await self.log.event("sign-on ended", count)
        assert line["outcome"] == outcome, line
        return line


@asynccontextmanager
async def together(
    directory: Path, *, relays: int = 1, limits: Limits | None = None, **settings: Any
) -> AsyncIterator[Together]:
    """`settings` are the agent's. At the end nothing may be left of any sign-on, in any part."""
    with recorded_log() as log:
        async with trio.open_nursery() as nursery:
            running: list[RunningRelay] = []
            for number in range(relays):
                folder = directory / f"relay{number}"
                folder.mkdir()
                running.append(await start_relay(nursery, folder, limits=limits))
            known = [relay_settings(relay) for relay in running]
            agent = await start_agent(nursery, directory, known, **settings)
            await linked(agent)
            yield Together(running, agent, await enrolled(agent.host), log, nursery)
            await agent.idle()
            for relay in running:
                await relay_idle(relay)
            await agent.stop()
            nursery.cancel_scope.cancel()


async def relay_idle(relay: RunningRelay) -> None:
    """The relay has no request and no transaction any more, as soon as it has heard of the end."""
    broker = relay.relay.broker
    await until(lambda: not broker.requests and not broker.transactions)


def ends(relay: RunningRelay) -> list[RequestOutcome]:
    """How requests ended at `relay`, in order."""
    return [each.outcome for each in relay.records if isinstance(each, RequestEnded)]


async def requeued(relay: RunningRelay, count: int) -> None:
    """The relay has seen the ends of `count` requests, and has another one."""
    await until(lambda: len(ends(relay)) >= count and relay.relay.broker.requests)


async def signs_on(parts: Together, caller: Caller, passcode: str) -> None:
    assert (await parts.phone.sign_on(passcode)).outcome is Outcome.SIGNED_ON
    assert await caller.result() is Result.APPROVED
