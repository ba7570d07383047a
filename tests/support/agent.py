"""A real agent in the test's nursery: its store, its links, its two sockets."""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from pam_agent import server
from pam_agent.agent import Agent
from pam_agent.host import Host
from pam_agent.policy import Timers
from pam_agent.server import boot_time
from pam_agent.settings import Config, Relay
from tests.support.caller import Caller, calling
from tests.support.patience import until
from tests.support.relay import RunningRelay

LABEL = "web1"
QUICK = Timers(queue=2.0, validation=20.0, acknowledgement=10.0, sign_on=60.0, confirm=5.0)
"""Long enough for a busy machine; tests that wait for an end of one set it shorter."""


@dataclass
class RunningAgent:
    """The agent in this process, and how to reach it."""

    agent: Agent
    config: Config
    scope: trio.CancelScope
    """Cancelled to stop the agent."""
    stopped: trio.Event

    @property
    def host(self) -> Host:
        """As the next sign-on finds it."""
        return self.agent.host

    def call(self, user: str = "alice", **fields: Any) -> AbstractAsyncContextManager[Caller]:
        """A caller of PAM, whose start record with these `fields` is sent."""
        return calling(self.config.socket, user, **fields)

    async def stop(self) -> None:
        self.scope.cancel()
        await self.stopped.wait()

    def leftovers(self) -> dict[str, int]:
        """What there is of sign-ons that have not ended."""
        links = self.host.links
        return {
            "places": len(self.host.waiting),
            "silent": len(self.host.silent),
            "connections": len(self.host.calls),
            "handles": sum(link.requests for link in links),
            "requests": sum(len(link.protocol) for link in links),
        }

    async def idle(self) -> None:
        """Nothing is left of any sign-on, as soon as the last one has ended."""
        with contextlib.suppress(trio.TooSlowError):
            await until(lambda: not any(self.leftovers().values()))
        assert not any(self.leftovers().values()), self.leftovers()


def relay_settings(relay: RunningRelay, *, by_key: bool = False) -> Relay:
    """A relay of the test as the agent's configuration names it."""
    if by_key:
        public = relay.key.public_key().public_bytes_raw()
        return Relay(relay.agents, public, (relay.validators,))
    return Relay(relay.unix, None, (relay.validators,))


async def start_agent(
    nursery: trio.Nursery,
    directory: Path,
    relays: Sequence[Relay],
    *,
    host: str = LABEL,
    timers: Timers = QUICK,
    clock: Callable[[], float] = boot_time,
    **settings: Any,
) -> RunningAgent:
    """`settings` are other fields of the configuration."""
    config = Config(
        host=host,
        state=directory / "state",
        socket=directory / "pam.sock",
        admin_socket=directory / "admin.sock",
        relays=tuple(relays),
        timers=timers,
        **settings,
    )
    scope = trio.CancelScope()
    stopped = trio.Event()

    async def run(*, task_status: trio.TaskStatus[Agent]) -> None:
        with scope:
            await server.serve(config, clock=clock, task_status=task_status)
        stopped.set()

    known: Agent = await nursery.start(run)
    return RunningAgent(known, config, scope, stopped)


async def linked(agent: RunningAgent) -> None:
    """Every link is up."""
    await until(lambda: all(link.protocol.up for link in agent.host.links))
