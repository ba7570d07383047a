"""Whatever happens in whatever order: nobody is let in who was not approved, and nothing is left.

Two relays, two hosts' agents and their users' devices, all real and on real sockets, in one process
on Trio's mock clock. In each play people sign on as people do, while links break, relays crash and
drain, and agents are restarted. Who does what and when is drawn anew for each play, and so is the
order in which Trio runs what is ready. A play that fails is repeated by its name and the
BARTIZAN_SEED that it shows.

The stores' work is done at once instead of in threads: those have a time of their own, and a clock
that jumps when no task has anything to do would not wait for them.
"""

import math
import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio
import trio.testing

from pam_agent.local_wire import RecordType, Result
from pam_agent.outcomes import SignOnEnd
from pam_agent.settings import Relay as RelaySettings
from protocol import passcode
from protocol.signon_messages import Context, Verdict
from tests.acceptance.bastion import Bastion
from tests.support.agent import RunningAgent, relay_settings, start_agent
from tests.support.caller import PASSCODE, Caller
from tests.support.phone import Phone, enrolled
from tests.support.recorded_log import RecordedLog, recorded_log
from validator.choice import Choice
from validator.outcomes import Outcome

PLAYS: Final = 200

SPAN: Final = 30.0
"""Seconds within which everybody comes and everything happens."""
PEOPLE: Final = 8
"""Of each host."""
MOST_TROUBLES: Final = 6
OUTAGE: Final = 4.0
ACCIDENT: Final = 0.6
"""How often something happens just when somebody has decided."""
LONGEST_MOMENT: Final = 15
"""Trio's turns after a decision, in which an accident may happen."""
LONGEST_WORK: Final = 3
"""Trio's turns before, and after, a piece of the store's work."""
THOUGHT: Final = 6.0
CALM: Final = 45.0
"""Seconds after everybody has gone in which the agents wait for CONFIRM, and connect again."""
TRIES: Final = 3
"""How often a passcode is typed when the device says that there is no such sign-on."""

USERS: Final = ("alice", "bob")


def some(most: float) -> float:
    """Seconds: none, a few moments, or any."""
    return most * random.choice([0.0, random.random() / 1000, random.random()])


async def steps(most: int) -> None:
    """Let Trio take some turns, in which whoever is ready runs."""
    for _ in range(random.randint(0, most)):
        await trio.lowlevel.checkpoint()


@dataclass(eq=False)
class Host:
    """A machine with people on it; its agent is another one after a restart."""

    folder: Path
    relays: list[RelaySettings]
    agent: RunningAgent | None = None
    phones: dict[str, Phone] = field(default_factory=dict)

    async def start(self, nursery: trio.Nursery) -> RunningAgent:
        self.agent = await start_agent(
            nursery, self.folder, self.relays, host=self.folder.name, clock=trio.current_time
        )
        return self.agent

    async def stop(self) -> None:
        agent, self.agent = self.agent, None
        if agent is not None:
            await agent.stop()
            assert not any(agent.leftovers().values())


# ---- trouble -------------------------------------------------------------------------------------


@dataclass(eq=False)
class Stage:
    """All that runs, in `nursery`."""

    nursery: trio.Nursery
    bastions: list[Bastion]
    hosts: list[Host]
    people: list["Person"] = field(default_factory=list)
    lock: trio.Lock = field(default_factory=trio.Lock)
    """One at a time is down, and what is down is started again."""

    async def trouble(self, *, within: float = 0.0) -> None:
        """One of any kind, `within` so many seconds."""
        await trio.sleep(random.random() * within)
        kinds = [self._cut, self._crash, self._drain, self._restart, self._revoke, self._stranger]
        await random.choice(kinds)()

    async def _cut(self) -> None:
        """A link, whatever is just on its way."""
        agent = random.choice(self.hosts).agent
        if agent is not None:
            random.choice(agent.host.links)._end("cut")

    async def _revoke(self) -> None:
        """As the administrator does: whatever waits for the account ends."""
        host, user = random.choice(self.hosts), random.choice(USERS)
        if host.agent is None:
            return
        waiting = host.agent.host.waiting
        for person in self.people:
            if (person.host, person.user) == (host, user):
                person.revoked |= person.code in waiting._places.get(user, ())
        waiting.revoke(user)

    async def _crash(self) -> None:
        async with self.lock:
            bastion = random.choice(self.bastions)
            await bastion.crash()
            await trio.sleep(some(OUTAGE))
            await self.nursery.start(bastion.run)

    async def _drain(self) -> None:
        async with self.lock:
            bastion = random.choice(self.bastions)
            await bastion.drain()
            await trio.sleep(some(OUTAGE))
            await self.nursery.start(bastion.run)

    async def _restart(self) -> None:
        async with self.lock:
            host = random.choice(self.hosts)
            await host.stop()
            await trio.sleep(some(OUTAGE))
            await host.start(self.nursery)

    async def _stranger(self) -> None:
        relay = random.choice(self.bastions).relay
        if relay is None:
            return
        address = relay.validators
        with trio.move_on_after(some(SPAN)), suppress(OSError, trio.BrokenResourceError):
            async with await trio.open_tcp_stream(address.host, address.port) as stream:
                await stream.send_all(random.randbytes(random.randrange(100)))
                await stream.receive_some()


# ---- people --------------------------------------------------------------------------------------


@dataclass(eq=False)
class Person:
    """Somebody who signs on once; `terminal` is the name that this has in the log."""

    stage: Stage
    host: Host
    user: str
    terminal: str
    code: str = ""
    """The passcode, once it is shown."""
    approved: bool = False
    revoked: bool = False
    """Before it had ended at the agent."""
    result: Result | None = None
    """What PAM was told, if it was there to hear it."""
    endings: list[Outcome] = field(default_factory=list)
    """What the device said, each time."""
    _at_terminal: trio.CancelScope = field(default_factory=trio.CancelScope)
    _at_device: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def sign_on(self) -> None:
        await trio.sleep(random.random() * SPAN)
        agent = self.host.agent
        if agent is None:
            return
        self._at_terminal.relative_deadline = random.choice([some(SPAN), *[math.inf] * 3])
        with self._at_terminal, suppress(OSError):
            async with agent.call(self.user, tty=self.terminal) as caller:
                await self._sit_at(caller)

    async def _sit_at(self, caller: Caller) -> None:
        async with trio.open_nursery() as nursery:
            while (record := await _next(caller)) is not None:
                kind, payload = record
                if kind is RecordType.RESULT:
                    assert self.result is None
                    self.result = Result(payload[0])
                elif found := PASSCODE.search(payload.decode()):
                    self.code = found[1].replace(" ", "")
                    nursery.start_soon(self._take_the_device)
            if self.result is None:
                nursery.cancel_scope.cancel()  # the agent is gone, and so is the sign-on

    async def _take_the_device(self) -> None:
        await trio.sleep(some(THOUGHT))
        act = random.choice([self._approves, self._approves, self._denies, self._looks_away, None])
        if act is None:
            return
        typed = random.choice([*[self.code] * 3, passcode.generate()])
        self._at_device.relative_deadline = random.choice([some(THOUGHT), *[math.inf] * 3])
        with self._at_device:
            for _ in range(TRIES):
                ending = await self.host.phones[self.user].sign_on(typed, decide=act)
                self.endings.append(ending.outcome)
                if ending.outcome not in TRY_AGAIN:
                    return

    async def _approves(self, context: Context) -> Choice | None:
        await self._looks_at(context)
        self.approved = True
        return Choice(Verdict.APPROVE)

    async def _denies(self, context: Context) -> Choice | None:
        await self._looks_at(context)
        return Choice(Verdict.DENY)

    async def _looks_away(self, context: Context) -> Choice | None:
        await self._looks_at(context)
        return None

    async def _looks_at(self, context: Context) -> None:
        assert context.tty == self.terminal, "somebody else's sign-on"
        await trio.sleep(some(THOUGHT))
        if random.random() < ACCIDENT:
            self.stage.nursery.start_soon(self._accident)

    async def _accident(self) -> None:
        """At any moment of what follows on a decision: it takes no time, but many steps."""
        await steps(LONGEST_MOMENT)
        match random.randrange(3):
            case 0:
                self._at_terminal.cancel()
            case 1:
                self._at_device.cancel()
            case _:
                await self.stage.trouble()


TRY_AGAIN: Final = (Outcome.NO_SUCH_SIGN_ON, Outcome.UNREACHABLE, Outcome.UNDECIDED)


async def _next(caller: Caller) -> tuple[RecordType, bytes] | None:
    """The agent's next record; None when there is none, and none will come."""
    with suppress(trio.BrokenResourceError):
        while (record := caller.reader.next_record()) is None:
            data = await caller.stream.receive_some()
            if not data:
                return None
            caller.reader.feed(bytes(data))
        return record
    return None


# ---- the play ------------------------------------------------------------------------------------


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(
        work: Callable[..., object],
        *arguments: object,
        limiter: trio.CapacityLimiter | None = None,
        abandon_on_cancel: bool = False,
    ) -> object:
        async with limiter or nullcontext():
            with trio.CancelScope(shield=not abandon_on_cancel):
                await steps(LONGEST_WORK)
                result = work(*arguments)
                await steps(LONGEST_WORK)
        return result

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


@pytest.mark.parametrize("play", range(PLAYS))
async def test_nobody_is_let_in_unapproved_and_nothing_is_left(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, no_threads: None, play: int
) -> None:
    with recorded_log() as log:
        async with trio.open_nursery() as nursery:
            stage = await _stage(nursery, tmp_path)
            stage.people += [
                Person(stage, host, random.choice(USERS), f"{host.folder.name}/{number}")
                for host in stage.hosts
                for number in range(PEOPLE)
            ]
            async with trio.open_nursery() as crowd:
                for person in stage.people:
                    crowd.start_soon(person.sign_on)
                for _ in range(random.randint(0, MOST_TROUBLES)):
                    crowd.start_soon(partial(stage.trouble, within=SPAN))
            await trio.sleep(CALM)
            _nothing_waits(stage)
            await _all_is_well(stage)
            for host in stage.hosts:
                await host.stop()
            for bastion in stage.bastions:
                await bastion.crash()
        for person in stage.people:
            _was_treated_well(person, log)
        assert not [each for each in log.events if each.get("level") == "error"]


async def _stage(nursery: trio.Nursery, folder: Path) -> Stage:
    bastions, relays, hosts = [], [], []
    for name in ("relay1", "relay2"):
        (folder / name).mkdir()
        bastions.append(Bastion(folder / name))
        relays.append(relay_settings(await nursery.start(bastions[-1].run)))
    for name in ("web1", "web2"):
        (folder / name).mkdir()
        hosts.append(Host(folder / name, relays))
        agent = await hosts[-1].start(nursery)
        for user in USERS:
            hosts[-1].phones[user] = await enrolled(agent.host, user)
    return Stage(nursery, bastions, hosts)


def _nothing_waits(stage: Stage) -> None:
    for bastion in stage.bastions:
        assert bastion.relay is not None
        broker = bastion.relay.relay.broker
        assert len(broker.requests) == len(broker.transactions) == 0
        assert broker.door.incomplete == broker.door.held == 0
        assert len(broker.links) == bastion.relay.relay.switch.connections == len(stage.hosts)
    for host in stage.hosts:
        assert host.agent is not None
        assert not any(host.agent.leftovers().values()), host.agent.leftovers()
        assert all(link.protocol.up for link in host.agent.host.links)


async def _all_is_well(stage: Stage) -> None:
    """Everybody's device is as good as before."""
    for host in stage.hosts:
        for user, phone in host.phones.items():
            assert host.agent is not None
            async with host.agent.call(user, tty="afterwards") as caller:
                ending = await phone.sign_on(await caller.passcode())
                assert ending.outcome is Outcome.SIGNED_ON
                assert await caller.result() is Result.APPROVED


def _was_treated_well(person: Person, log: RecordedLog) -> None:
    """PAM, the device, the log and the person's own mind agree, as far as each was there."""
    lines = [each for each in log.named("sign-on ended") if each["tty"] == person.terminal]
    assert len(lines) <= 1
    assert lines or not (person.code or person.result or person.endings)
    for line in lines:
        end = SignOnEnd(line["outcome"])
        assert end is not SignOnEnd.DISABLED, "nobody's device was copied"
        assert end is not SignOnEnd.APPROVED or (person.approved and not person.revoked)
        if person.result is not None:
            assert (person.result is Result.APPROVED) == (end is SignOnEnd.APPROVED)
        if Outcome.SIGNED_ON in person.endings and not person.revoked:
            assert end is SignOnEnd.APPROVED
        if Outcome.DENIED in person.endings and not person.revoked:
            assert end is SignOnEnd.DENIED
