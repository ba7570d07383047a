"""Many hosts, each with its real agent and a device of alice's, that sign on one after another."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from pam_agent.accounts import Accounts
from pam_agent.local_wire import Result
from pam_agent.settings import Relay
from protocol.agent_auth import public_bytes
from tests.support.agent import RunningAgent, linked, start_agent
from tests.support.caller import Caller
from tests.support.phone import Phone, enrolled
from tests.support.together import timers
from validator.outcomes import Outcome

QUEUE = 10.0
"""Seconds that an agent looks for a relay, where a user would rather not wait: a relay that dies
is missed for a moment, and a busy machine makes it longer."""
ATTEMPTS = 4
"""Of one passcode on a device, while a relay goes."""
LOOK = 2.0
"""Seconds that a user looks at the screen for a result."""


@dataclass(eq=False)
class Hosts:
    """`again` has why devices had to enter a passcode once more, and how often."""

    agents: list[RunningAgent] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    done: int = 0
    again: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds from the passcode on the screen to the result."""
    _changed: trio.Condition = field(default_factory=trio.Condition)

    async def _approve(self, phone: Phone, passcode: str, caller: Caller) -> Result:
        """As often as it takes, within bounds."""
        for _ in range(ATTEMPTS):
            outcome = (await phone.sign_on(passcode)).outcome
            if outcome is Outcome.SIGNED_ON:
                return await caller.result()
            self.again[outcome.value] += 1
            # A device that lost its relay behind the decision does not know whether the host has
            # it: its user looks at the host's screen.
            if outcome is Outcome.UNKNOWN:
                with trio.move_on_after(LOOK):
                    return await caller.result()
        raise AssertionError(f"no device and agent came together: {self.again}")

    async def stop(self) -> None:
        for agent in self.agents:
            await agent.stop()

    async def come_to(self, number: int) -> None:
        """So many are done."""
        async with self._changed:
            while self.done < number:
                await self._changed.wait()

    async def sign_on(self, total: int, events: Callable[[], Awaitable[None]]) -> None:
        """All hosts at once, until `total` are done and `events`, meanwhile, have happened."""
        numbers = count(1)
        over = trio.Event()
        async with trio.open_nursery() as nursery:
            for agent, phone in zip(self.agents, self.phones, strict=True):
                nursery.start_soon(self._one_after_another, agent, phone, numbers, total, over)
            await events()
            over.set()

    async def _one_after_another(
        self,
        agent: RunningAgent,
        phone: Phone,
        numbers: Iterator[int],
        total: int,
        over: trio.Event,
    ) -> None:
        while next(numbers) <= total or not over.is_set():
            async with agent.call() as caller:
                passcode = await caller.passcode()
                shown = trio.current_time()
                assert await self._approve(phone, passcode, caller) is Result.APPROVED
                self.slowest = max(self.slowest, trio.current_time() - shown)
            async with self._changed:
                self.done += 1
                self._changed.notify_all()


async def new_hosts(
    folder: Path, shards: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> dict[str, bytes]:
    """The stores of hosts that have these shards; names and public link keys (32 bytes)."""
    given = iter(shards)
    drawn = SimpleNamespace(randbelow=lambda _below: next(given))
    keys: dict[str, bytes] = {}
    with monkeypatch.context() as patch:
        patch.setattr("pam_agent.tables.secrets", drawn)
        for number, shard in enumerate(shards):
            name = f"host{number}"
            (folder / name).mkdir()
            async with Accounts.open(folder / name / "state", time.time()) as accounts:
                identity = await accounts.identity()
            assert identity.shard == shard
            keys[name] = public_bytes(identity.link)
    return keys


async def start_hosts(
    nursery: trio.Nursery, folder: Path, names: Iterable[str], relays: Sequence[Relay]
) -> Hosts:
    """Returns when all their links are up."""
    hosts = Hosts()
    for name in names:
        agent = await start_agent(
            nursery, folder / name, relays, host=name, timers=timers(queue=QUEUE)
        )
        hosts.agents.append(agent)
        hosts.phones.append(await enrolled(agent.host))
    for agent in hosts.agents:
        await linked(agent)
    return hosts
