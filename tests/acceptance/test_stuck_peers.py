"""Peers that are there no more, or that stand still: each costs its own sign-on and no other.

Relay, agents and the stuck devices are real programs; one of each kind stands still (SIGSTOP), one
is behind a cable that is pulled, so that no FIN and no reset tells of it. All get stuck at once,
and time is real, so one minute serves for all. Meanwhile somebody signs on again and again.

A peer that is there and does not read its socket is in tests/relay/test_switch.py.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
import trio

from pam_agent.approval import LATE_GRACE
from pam_agent.local_wire import Result
from pam_agent.outcomes import SignOnEnd
from protocol.limits import LINK_SILENCE
from relay.outcomes import LinkOutcome, RequestOutcome
from tests.support.cable import NEAR, Cable, cable, why_not
from tests.support.caller import Caller, calling
from tests.support.patience import until
from tests.support.phone import Attempt, Phone
from tests.support.process_size import descriptors
from tests.support.programs import BIN, QUEUE, Daemon, Device, Entry, daemon, enroll, free_port
from tests.support.terminal import Terminal, terminal
from validator.keystore import KeyStore
from validator.outcomes import Outcome

ACKNOWLEDGEMENT: Final = 8.0
"""Seconds for a device to decide: all peers get stuck within them. LATE_GRACE and LATE come behind
them, before the relay's kernel misses who is cut off: after 30."""

DECIDING: Final = "Seconds left to decide"
"""What the device's screen says last of what is asked."""

LATE: Final = 4.0
"""Seconds that a busy machine may add to a limit."""

PAUSE: Final = 0.2
"""Seconds between the sign-ons of whoever is undisturbed."""
AT_ONCE: Final = 5.0
"""Seconds for one of them, on a busy machine: fewer than anything here is waited for."""


@dataclass(frozen=True)
class Host:
    """An agent, and the folder of its files and its devices."""

    folder: Path
    agent: Daemon
    prefix: tuple[str, ...]
    """Before the commands of devices, which are at the near end of the cable."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def socket(self) -> Path:
        return self.folder / "pam.sock"

    async def enrolled(self, user: str) -> Device:
        device = Device(self.folder / user, self.prefix)
        config = self.folder / "agent.toml"
        await enroll([*AGENT, "enroll", user, "--json", "--config", str(config)], device)
        return device

    async def phone(self, user: str) -> Phone:
        device = await self.enrolled(user)
        with KeyStore(device.folder) as store:
            (record,) = store.listing().records
        return Phone(record, device_id=1)


AGENT: Final = [str(BIN / "bartizan-agent")]
RELAY: Final = [str(BIN / "bartizan-relay")]


@dataclass(frozen=True)
class Site:
    """Three hosts of one relay; the link of `beyond` goes by the cable."""

    cable: Cable
    relay: Daemon
    well: Host
    stopping: Host
    beyond: Host


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        laid = stack.enter_context(cable())
        unix, tcp, port = f"unix:{folder}/links.sock", f"tcp:{NEAR}:{free_port()}", free_port()
        key = await _said([*RELAY, "generate-key", f"{folder}/key"])
        _configure(folder / "well", f'link = "{unix}"', port)
        _configure(folder / "stopping", f'link = "{unix}"', port)
        _configure(folder / "beyond", f'link = "{tcp}", key = "{key.strip()}"', port)

        async def host(name: str, *prefix: str) -> Host:
            config = f"{folder}/{name}/agent.toml"
            command = [*prefix, *AGENT, "serve", "--config", config]
            agent = await stack.enter_async_context(daemon(command))
            await agent.logged("agent up")
            return Host(folder / name, agent, tuple(laid.here()))

        beyond = await host("beyond", *laid.there())
        known = await _said([*AGENT, "link-key", "--config", f"{folder}/beyond/agent.toml"])
        (folder / "agents").write_text(known)
        (folder / "relay.toml").write_text(
            f'agents = [{{listen = "{unix}"}}, {{listen = "{tcp}"}}]\n'
            f'validators = [{{listen = "tcp:0.0.0.0:{port}"}}]\n'
            f'key = "{folder}/key"\nagents_file = "{folder}/agents"\n'
            'log = {format = "json"}\n'
        )
        relay = await stack.enter_async_context(
            daemon(laid.here(*RELAY, "serve", "--config", f"{folder}/relay.toml"))
        )
        await relay.logged("relay up")
        parts = Site(laid, relay, await host("well"), await host("stopping"), beyond)
        for each in (parts.well, parts.stopping, parts.beyond):
            await each.agent.logged("link up")
        yield parts


async def _said(command: list[str]) -> str:
    done = await trio.run_process(command, capture_stdout=True)
    return bytes(done.stdout).decode()


def _configure(folder: Path, relay: str, port: int) -> None:
    folder.mkdir()
    (folder / "agent.toml").write_text(
        f'host = "{folder.name}"\nstate = "{folder}/state"\n'
        f'socket = "{folder}/pam.sock"\nadmin_socket = "{folder}/admin.sock"\n'
        f'relays = [{{{relay}, validators = ["{NEAR}:{port}"]}}]\n'
        f"timers = {{{QUEUE}, acknowledgement = {ACKNOWLEDGEMENT}}}\n"
        'log = {format = "json"}\n'
    )


@pytest.fixture
def possible() -> None:
    """Skips and says why; where CI=true nothing may be missing."""
    reason = why_not()
    if reason is not None and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@dataclass
class Stuck:
    """Where the peers meet: each says that it is ready, and begins when all are stuck."""

    parts: Site
    ready: int = 0
    now: trio.Event = field(default_factory=trio.Event)
    at: float = 0.0

    async def wait(self) -> None:
        self.ready += 1
        await self.now.wait()

    async def are_ready(self, count: int) -> None:
        await until(lambda: self.ready == count)

    def after(self) -> float:
        """Seconds since they got stuck."""
        return trio.current_time() - self.at


async def test_each_costs_its_own_sign_on_and_no_other(tmp_path: Path, possible: None) -> None:
    async with site(tmp_path) as parts, trio.open_nursery() as background:
        relay = parts.relay.process.pid
        known = descriptors(relay)
        stuck = Stuck(parts)
        phones = [await each.phone("ada") for each in (parts.well, parts.stopping, parts.beyond)]
        bob, eve = [await parts.well.enrolled(user) for user in ("bob", "eve")]
        background.start_soon(_undisturbed, parts.well, phones[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_a_device_that_stops, stuck, bob)
            nursery.start_soon(_a_device_that_is_cut_off, stuck, eve)
            await stuck.are_ready(2)  # programs, which take longer to come than the others
            nursery.start_soon(_an_agent_that_stops, stuck, phones[1])
            nursery.start_soon(_an_agent_that_is_cut_off, stuck, phones[2])
            await stuck.are_ready(4)
            parts.cable.pull()
            stuck.at = trio.current_time()
            stuck.now.set()
        background.cancel_scope.cancel()
        assert not _lines(parts.well.agent, event="link lost")
        await until(lambda: descriptors(relay) == known)


async def _undisturbed(host: Host, phone: Phone) -> None:
    while True:
        with trio.fail_after(AT_ONCE):
            await _signs_on(host, phone)
        await trio.sleep(PAUSE)


async def _signs_on(host: Host, phone: Phone) -> None:
    async with calling(host.socket, "ada") as caller:
        ending = await phone.sign_on(await caller.passcode())
        assert ending.outcome is Outcome.SIGNED_ON
        assert await caller.result() is Result.APPROVED


# ---- devices -------------------------------------------------------------------------------------


async def _a_device_that_stops(stuck: Stuck, device: Device) -> None:
    well = stuck.parts.well
    async with calling(well.socket, "bob") as caller:
        command = _sign_on(device, well, await caller.passcode())
        async with terminal(stuck.parts.cable.here(*command)) as screen:
            await screen.shows(DECIDING)
            await stuck.wait()
            screen.process.send_signal(signal.SIGSTOP)
            await _is_given_up(stuck, "bob", caller)
            screen.process.send_signal(signal.SIGCONT)
            await _has_not_decided(screen)


async def _a_device_that_is_cut_off(stuck: Stuck, device: Device) -> None:
    well = stuck.parts.well
    async with calling(well.socket, "eve") as caller:
        command = _sign_on(device, well, await caller.passcode())
        async with terminal(stuck.parts.cable.there(*command)) as screen:
            await screen.shows(DECIDING)
            await stuck.wait()
            await _has_not_decided(screen)
            await _is_given_up(stuck, "eve", caller)


def _sign_on(device: Device, host: Host, passcode: str) -> list[str]:
    home = f"BARTIZAN_HOME={device.folder}"
    return ["env", home, str(BIN / "bartizan"), "sign-on", host.name, passcode]


async def _is_given_up(stuck: Stuck, user: str, caller: Caller) -> None:
    """By its agent, which sees no difference to somebody who thinks."""
    assert await caller.result() is Result.DENIED
    assert stuck.after() <= ACKNOWLEDGEMENT + LATE
    line = await _ended(stuck.parts.well, user)
    assert line["outcome"] == SignOnEnd.UNDECIDED
    assert stuck.after() <= ACKNOWLEDGEMENT + LATE_GRACE + LATE
    assert await _outcome(stuck.parts, line) == RequestOutcome.WITHDRAWN.value


async def _has_not_decided(screen: Terminal) -> None:
    await screen.shows("before a decision was sent")
    assert await screen.ends() != 0


# ---- agents --------------------------------------------------------------------------------------


async def _an_agent_that_stops(stuck: Stuck, phone: Phone) -> None:
    host = stuck.parts.stopping
    async with calling(host.socket, "ada") as caller:
        async with phone.attempt(await caller.passcode()) as attempt:
            await attempt.context()
            await stuck.wait()
            host.agent.process.send_signal(signal.SIGSTOP)
            await _is_told(stuck, attempt)
        await _link_ended(stuck.parts.relay, LinkOutcome.SILENT, "uid:0")
        host.agent.process.send_signal(signal.SIGCONT)
        assert await caller.result() is Result.DENIED
    await _is_back(stuck, host, phone)


async def _an_agent_that_is_cut_off(stuck: Stuck, phone: Phone) -> None:
    host = stuck.parts.beyond
    async with calling(host.socket, "ada") as caller:
        async with phone.attempt(await caller.passcode()) as attempt:
            await attempt.context()
            await stuck.wait()
            assert await caller.result() is Result.DENIED
            assert stuck.after() <= ACKNOWLEDGEMENT + LATE
            await _is_told(stuck, attempt)
        # The kernel has asked for it, and ended the connection before the relay would have.
        await _link_ended(stuck.parts.relay, LinkOutcome.CLOSED, host.name)
    stuck.parts.cable.plug()
    await _is_back(stuck, host, phone)


async def _is_told(stuck: Stuck, attempt: Attempt) -> None:
    """The device at its end: that this agent is gone is said as soon as the relay knows."""
    with trio.fail_after(LINK_SILENCE + LATE):
        await attempt.connection.until_over()
    assert stuck.after() <= LINK_SILENCE + LATE


async def _is_back(stuck: Stuck, host: Host, phone: Phone) -> None:
    line = await _ended(host, "ada")
    assert line["outcome"] == SignOnEnd.UNDECIDED
    assert await _outcome(stuck.parts, line) == RequestOutcome.AGENT_GONE.value
    await host.agent.logged("link up", 2)
    await _signs_on(host, phone)


# ---- what the logs say ---------------------------------------------------------------------------


def _lines(daemon: Daemon, **fields: str) -> list[Entry]:
    return [each for each in daemon.log if fields.items() <= each.items()]


async def _link_ended(relay: Daemon, outcome: LinkOutcome, agent: str) -> None:
    """So this one's did, and no other's."""
    wanted = {"event": "link ended", "outcome": outcome.value}
    await until(lambda: _lines(relay, **wanted))
    assert [each["agent"] for each in _lines(relay, **wanted)] == [agent]


async def _ended(host: Host, user: str) -> Entry:
    """The agent's line about the first sign-on of a user, once that has ended."""
    await until(lambda: _lines(host.agent, event="sign-on ended", user=user))
    return _lines(host.agent, event="sign-on ended", user=user)[0]


async def _outcome(parts: Site, line: Entry) -> str:
    """How the request of a sign-on ended at the relay."""
    wanted = {"event": "request ended", "sign_on_id": line["sign_on_id"]}
    await until(lambda: _lines(parts.relay, **wanted))
    return str(_lines(parts.relay, **wanted)[0]["outcome"])
