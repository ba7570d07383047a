"""shell. One relay: its listeners, its broker, and the switch between them, until told to stop."""

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Final

import trio

from protocol.address import TcpAddress, UnixAddress
from relay.broker import Broker
from relay.config import Plan
from relay.listeners import address_of
from relay.logs import Reporter
from relay.records import Record
from relay.rereading import Reloads
from relay.switch import Listener, Switch
from relay.tally import Tally


class Relay:
    """One that runs, or will when `run` is called."""

    def __init__(self, plan: Plan, listeners: Sequence[Listener], report: Reporter) -> None:
        self.plan = plan
        self.listeners = list(listeners)
        self.broker: Final = Broker(plan.limits, plan.key, plan.agents, _jitter().__next__)
        self.tally: Final = Tally()
        self.switch: Final = Switch(self.broker, listeners, self._report)
        self.reloads: Final = Reloads()
        self._log: Final = report
        self._stopping: Final = trio.Event()

    def _report(self, records: list[Record]) -> None:
        self.tally.note(records, time.time())
        self._log(records)

    @property
    def agents(self) -> tuple[TcpAddress | UnixAddress, ...]:
        """Where agents attach."""
        return tuple(address_of(x.socket) for x in self.listeners if x.trusted is not None)

    @property
    def validators(self) -> tuple[TcpAddress | UnixAddress, ...]:
        """Where validators connect, the port filled in where 0 was asked for."""
        return tuple(address_of(x.socket) for x in self.listeners if x.trusted is None)

    def drain(self) -> None:
        """Begin to stop: no new requests, and the end when no transaction runs or time is up."""
        self._stopping.set()

    @property
    def draining(self) -> bool:
        """Whether it has begun to stop."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Until drained, released by its switch, or cancelled; the listeners are closed then."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain, nursery.cancel_scope)
            await self.switch.run()
            nursery.cancel_scope.cancel()

    async def _drain(self, end: trio.CancelScope) -> None:
        await self._stopping.wait()
        self.broker.drain()
        self.switch.wake()
        with trio.move_on_after(self.plan.limits.drain):
            await self.switch.drained.wait()
        end.cancel()

    @property
    def status(self) -> str:
        """One line for the operator."""
        running = len(self.broker.transactions)
        waiting = len(self.broker.requests) - running
        links = self.broker.links.attached
        text = f"{waiting} waiting, {running} running, {links} agent{'s' * (links != 1)}"
        return f"draining: {text}" if self.draining else text


async def serve(
    plan: Plan,
    listeners: Sequence[Listener],
    report: Reporter,
    task_status: trio.TaskStatus[Relay] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a relay that nobody manages until it is drained or cancelled."""
    relay = Relay(plan, listeners, report)
    task_status.started(relay)
    await relay.run()


def _jitter() -> Iterator[float]:
    """Numbers of 0 to 1, one random byte each, fetched by the page: a system call per connection
    is too dear for it."""
    while True:
        for byte in secrets.token_bytes(4096):
            yield byte / 255
