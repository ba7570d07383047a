"""A relay that may open 256 files, and a thousand clients who stay: no descriptor is left for some.

The clients come from one address and then from a hundred. Agents and running transactions have
theirs already; when the clients are gone, all is well again within a second.
"""

import contextlib
import resource
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import trio

from bench.besieged import Besieged, besieged
from bench.honest import SIZES, Agent, Honest, SignOn, Sources
from bench.links import attach
from bench.programs import relay_program
from protocol.agent_auth import public_bytes
from protocol.limits import TAG_LENGTH
from tests.support.patience import until
from validator.connection import RelayConnection

CLIENTS: Final = 1000
FILES: Final = 256
SHARD: Final = 7
SECONDS: Final = 1.0
"""Until all is well again."""
MOST_CPU: Final = 0.2
"""Of a relay at which nothing happens but that clients wait: it must not spin."""
MOMENT: Final = 0.1
MOST_LINES: Final = 20
"""In its log, for all that a thousand clients do in some seconds."""


@dataclass
class Site:
    """A relay with few descriptors, and one agent's link; a second agent is known."""

    relay: Besieged
    agent: Agent
    people: Honest

    async def signs_on(self) -> SignOn:
        await self.people.at_rate(0, 1, 0.0)
        return self.people.sign_ons[-1]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    trio.socket.set_custom_socket_factory(Sources())
    async with _site(tmp_path) as running:
        yield running


@asynccontextmanager
async def _site(folder: Path) -> AsyncIterator[Site]:
    async with (
        besieged(folder, 2, [relay_program()], f"--nofile={FILES}") as relay,
        trio.open_nursery() as nursery,
    ):
        agent = Agent(_link(relay, 0))
        nursery.start_soon(agent.run)
        yield Site(relay, agent, Honest(f"127.0.0.1:{relay.validators}", [agent]))
        assert agent.up
        nursery.cancel_scope.cancel()


def _link(relay: Besieged, number: int) -> socket.socket:
    return attach(relay.agents, relay.agent_keys[number], public_bytes(relay.key))


@contextlib.contextmanager
def clients(port: int, sources: int) -> Iterator[None]:
    """They connect, say nothing and stay."""
    with contextlib.ExitStack() as stack:
        for number in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.bind((f"127.128.{number % sources}.1", 0))
            client.connect_ex(("127.0.0.1", port))
        yield


@pytest.mark.parametrize("sources", [1, 100])
async def test_who_is_there_stays_and_the_others_are_back_at_once(site: Site, sources: int) -> None:
    sign_on = SignOn(0, trio.current_time())
    sign_on.frames = tuple(secrets.token_bytes(size) for size in SIZES)
    h1, context, decision, receipt, confirm = sign_on.frames
    tag = secrets.token_bytes(TAG_LENGTH)
    await site.agent.request(sign_on, tag)
    await sign_on.is_queued.wait()
    async with await RelayConnection.open(site.people.relay) as running:
        await running.begin(SHARD, tag, h1)
        assert await running.receive() == context

        with clients(site.relay.validators, sources):
            await _all_have_come(site.relay)
            before, began = site.relay.cpu(), trio.current_time()
            await running.send(decision)
            assert await running.receive() == receipt
            await trio.sleep(SECONDS)
            used = (site.relay.cpu() - before).total
            assert used < MOST_CPU * (trio.current_time() - began)

        with trio.fail_after(SECONDS):
            later = await site.signs_on()
        assert not later.trouble

        await running.send(confirm)
        await running.until_over()
    assert sign_on.confirmed.is_set()
    assert len(site.relay.lines()) < MOST_LINES


async def test_a_sign_on_while_they_are_there(site: Site) -> None:
    with clients(site.relay.validators, 100):
        await _all_have_come(site.relay)
        assert not (await site.signs_on()).trouble


async def test_an_agent_comes_while_they_are_there(site: Site) -> None:
    with clients(site.relay.validators, 100):
        await _all_have_come(site.relay)
        began = trio.current_time()
        second = await trio.to_thread.run_sync(_link, site.relay, 1)
        second.close()
        assert trio.current_time() - began < SECONDS


async def _all_have_come(relay: Besieged) -> None:
    """The relay has dealt with each of them, or can take no more: it is as good as idle."""
    before = relay.cpu().total
    while True:
        await trio.sleep(MOMENT)
        now = relay.cpu().total
        if now - before < MOST_CPU * MOMENT:
            return
        before = now


async def test_the_relay_is_really_short_of_descriptors(site: Site) -> None:
    """Else the others could not fail."""
    assert resource.prlimit(site.relay.process.pid, resource.RLIMIT_NOFILE) == (FILES, FILES)
    await until(lambda: any(line["event"] == "few descriptors" for line in site.relay.lines()))
