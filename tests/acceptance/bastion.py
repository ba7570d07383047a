"""A place where one relay after another runs at the same addresses, and its books must balance."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import trio

from protocol.address import TcpAddress
from relay.ends import Link
from relay.records import LinkEnded, Repeated, RequestEnded, ValidatorEnded
from tests.support.programs import free_port
from tests.support.relay import RunningRelay, start_relay


@dataclass(eq=False)
class Bastion:
    """Its relay ends by `crash` or by `drain`, and either returns when it is gone."""

    folder: Path
    relay: RunningRelay | None = None
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _gone: trio.Event = field(default_factory=trio.Event)

    async def run(self, *, task_status: trio.TaskStatus[RunningRelay]) -> None:
        """One relay, to its end."""
        self._gone = trio.Event()
        async with trio.open_nursery() as own:
            relay = await start_relay(own, self.folder, validators=_address(self.folder.name))
            came = _came_already(relay)
            for name in (VALIDATOR, LINK):
                opened = getattr(relay.relay.broker, name)
                setattr(relay.relay.broker, name, _counted(opened, came, name))
            self.relay = relay
            self._scope = own.cancel_scope
            task_status.started(relay)
        self.relay = None
        _nothing_is_left(relay)
        assert came == _ended(relay)  # each once
        self._gone.set()

    async def crash(self) -> None:
        self._scope.cancel()
        await self._gone.wait()

    async def drain(self) -> None:
        if self.relay is not None:
            self.relay.relay.drain()
        await self._gone.wait()


@cache
def _address(name: str) -> TcpAddress:
    """Where the bastion of that name listens, in every play: nobody takes it between two relays."""
    return TcpAddress("127.0.0.1", free_port())


VALIDATOR: Final = "validator_opened"
LINK: Final = "link_opened"


def _came_already(relay: RunningRelay) -> Counter[str]:
    """Who waited at its address has come before it is known to be up."""
    came = _ended(relay)
    for wire in relay.relay.switch._wires.values():
        came[LINK if isinstance(wire.end, Link) else VALIDATOR] += 1
    return came


def _counted(opened: Callable[..., object], came: Counter[str], name: str) -> Callable[..., object]:
    def count(*arguments: object) -> object:
        end = opened(*arguments)
        came[name] += end is not None
        return end

    return count


def _nothing_is_left(relay: RunningRelay) -> None:
    broker = relay.relay.broker
    assert len(broker.requests) == len(broker.transactions) == len(broker.links) == 0
    assert broker.door.incomplete == broker.door.held == 0
    assert relay.relay.switch.connections == 0


def _ended(relay: RunningRelay) -> Counter[str]:
    """A validator by a word of its own, or by that of the request that it was paired with."""
    records = relay.records
    paired = sum(isinstance(each, RequestEnded) and each.source != "" for each in records)
    alone = sum(isinstance(each, ValidatorEnded) for each in records)
    links = sum(isinstance(each, LinkEnded) for each in records)
    for each in records:
        if isinstance(each, Repeated):
            alone += each.count * (each.what == "validator ended")
            links += each.count * (each.what == "link ended")
    return Counter({VALIDATOR: alone + paired, LINK: links})
