"""shell. The relay as a service: signals, what its manager is told, and what it leaves there.

Where the manager keeps descriptors, SIGTERM hands everything over to the next process, since it
cannot be told whether there will be one: links, sign-ons and whoever waits go on as if nothing had
happened. If there is none, the manager closes them all. SIGINT drains first, here as elsewhere.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
import trio

from daemons.descriptor_store import DescriptorStore
from daemons.logs import Book
from daemons.supervision import ready, reloading, stopping
from daemons.systemd import Manager
from daemons.unix_listener import clear
from protocol.address import TcpAddress, UnixAddress
from relay import handover
from relay.activation import (
    KEPT_CONNECTION,
    KEPT_STATE,
    Given,
    close_all,
    listener_name,
    socket_number,
)
from relay.broker import Broker
from relay.config import ConfigError, Plan
from relay.ends import Link
from relay.listeners import address_of
from relay.logs import reporter
from relay.oversight import oversee
from relay.rereading import reread
from relay.server import Relay
from relay.switch import Listener

KEPT_STRANGERS: Final = 512
"""Validators in no transaction that the next process gets, those that came last: the honest ones
of a busy second. More would keep everybody waiting, 0.5 ms each."""

NEED_A_RESTART: Final = ("log", "admin_socket", "metrics")
"""Fields of the plan that a new configuration does not change while the relay runs."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def run(
    plan: Plan,
    read: Callable[[], Plan],
    fit: Callable[[Plan], Plan],
    manager: Manager,
    store: DescriptorStore,
    found: Given,
    listeners: list[Listener],
    book: Book,
) -> None:
    """Serve until SIGTERM or SIGINT. SIGHUP: go by the plan that `read` gives, in another
    thread, and `fit` makes of it.

    A second signal to stop kills. `listeners` are those of `plan`, `found` what is left of what
    was handed over.
    """
    stopped_by = signal.SIGTERM
    async with trio.open_nursery() as informing:
        async with trio.open_nursery() as nursery:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
                await store.forget(_outdated(found))
                relay = Relay(plan, listeners, reporter(book, plan.log.level))
                _take_over(relay, found)
                # Before strangers come, who may leave no descriptor for it.
                await informing.start(oversee, relay, book)
                nursery.start_soon(relay.run)
                await _keep(listeners, found.numbers, store)
                _log.info(
                    "relay up",
                    agents=[str(address) for address in relay.agents],
                    validators=[str(address) for address in relay.validators],
                )
                await manager.tell(ready(relay.status))
                informing.start_soon(
                    manager.keep_informed, lambda: relay.status, relay.switch.works
                )
                async for number in signals:
                    if number != signal.SIGHUP:
                        stopped_by = signal.Signals(number)
                        break
                    await manager.tell(reloading(time.clock_gettime(time.CLOCK_MONOTONIC)))
                    await _reload(relay, read, fit, found.numbers, store)
                    await manager.tell(ready(relay.status))
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # as SIGTERM is now
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            _log.info("relay stopping", signal=stopped_by.name)
            await manager.tell(stopping())
            if stopped_by is signal.SIGTERM and store.room:
                await _hand_over(relay, store)
            else:
                relay.drain()
        informing.cancel_scope.cancel()
    _log.info("relay down")


def _outdated(found: Given) -> list[str]:
    """Names of what is in the manager's store and is not to be there any longer."""
    names = [listener_name(each) for each in found.listeners]
    return [*names, KEPT_STATE, KEPT_CONNECTION] if found.connections or found.state else names


async def _keep(listeners: list[Listener], there: set[int], store: DescriptorStore) -> None:
    """Have the manager keep them, but those that it has. Then who comes after a crash waits until
    somebody accepts again."""
    new = [x for x in listeners if socket_number(x.socket.fileno()) not in there]
    there.update(socket_number(x.socket.fileno()) for x in new)
    await store.keep([(listener_name(x.socket), [x.socket.fileno()]) for x in new])


def _unlink(closed: Sequence[TcpAddress | UnixAddress]) -> None:
    """The names of listeners that are closed, unless others listen there."""
    for each in closed:
        if isinstance(each, UnixAddress):
            with contextlib.suppress(OSError):  # another user's folder
                clear(Path(each.path))


def _shift() -> float:
    """CLOCK_MONOTONIC's lead over Trio's clock."""
    return time.clock_gettime(time.CLOCK_MONOTONIC) - trio.current_time()


# ---- from one process to the next ----------------------------------------------------------------


def _take_over(relay: Relay, found: Given) -> None:
    """What a relay before has left. If that cannot be read, all is closed, and agents and devices
    try again."""
    where = [address_of(each) for each in found.listeners]
    close_all(found.listeners)
    _unlink(where)
    if not found.state and not found.connections:
        return
    now = trio.current_time()
    broker = relay.broker
    try:
        sockets = handover.restore(broker, found.state, now, _shift())
    except handover.HandoverError as error:
        _log.warning("nothing taken over", reason=str(error), connections=len(found.connections))
        _cut(found)
        return
    here = {end: found.connections.pop(number, None) for end, number in sockets.items()}
    for end, sock in here.items():
        if sock is not None:
            relay.switch.adopt(sock, end)
    for end, sock in here.items():
        if sock is not None:
            continue
        if isinstance(end, Link):
            broker.link_gone(end, now)
        else:
            broker.validator_gone(end, now)
    _cut(found)
    relay.switch.adopt_limits()
    plan = relay.plan
    broker.adopt(plan.limits, plan.key, plan.agents, plan.trusted, now)
    _log.info("relay taken over", **_passed_on(broker))


def _passed_on(broker: Broker) -> dict[str, int]:
    """What goes from one process to the next, for the log."""
    return {
        "links": len(broker.links),
        "requests": len(broker.requests),
        "transactions": len(broker.transactions),
        "validators": broker.door.incomplete + broker.door.held,
    }


def _cut(found: Given) -> None:
    """Connections of which nothing is known: the manager may still have them open, too."""
    for sock in found.connections.values():
        with sock:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its other end was faster
    found.connections.clear()


async def _hand_over(relay: Relay, store: DescriptorStore) -> None:
    """Leave everything to the next process, and stop at once."""
    now = trio.current_time()
    broker = relay.broker
    broker.part(_strangers(relay, store.room), now)
    descriptors = relay.switch.release(now)
    sockets = {end: socket_number(descriptor) for end, descriptor in descriptors.items()}
    state = os.memfd_create(KEPT_STATE)
    with os.fdopen(state, "wb") as file:
        file.write(handover.save(broker, sockets, now, _shift()))
        file.flush()
        # The state first: what does not get into the store after it has ended, then.
        kept = [(KEPT_STATE, [state]), (KEPT_CONNECTION, list(descriptors.values()))]
        if await store.keep(kept):
            _log.info("relay handed over", **_passed_on(broker))


def _strangers(relay: Relay, room: int) -> int:
    """How many of them there is room for beside those that matter more."""
    others = len(relay.listeners) + len(relay.broker.links) + len(relay.broker.transactions) + 1
    return max(0, min(KEPT_STRANGERS, room - others))


# ---- another configuration -----------------------------------------------------------------------


async def _reload(
    relay: Relay,
    read: Callable[[], Plan],
    fit: Callable[[Plan], Plan],
    there: set[int],
    store: DescriptorStore,
) -> None:
    """Go by the new configuration, dropping nothing that it allows. One that is no good changes
    nothing."""
    relay.reloads.begin()
    try:
        plan, listeners, gone = await reread(read, fit, relay.listeners)
    except ConfigError as error:
        relay.reloads.end(str(error))
        reason = relay.reloads.refused
        _log.error("configuration refused", reason=reason, advice="it stays as it was")
        return
    names = [listener_name(each.socket) for each in gone]
    where = [address_of(each.socket) for each in gone]
    old = {key: getattr(relay.plan, key) for key in NEED_A_RESTART}
    later = [key for key in NEED_A_RESTART if getattr(plan, key) != old[key]]
    relay.plan, relay.listeners = replace(plan, **old), listeners
    for each in gone:
        relay.switch.leave(each)
    for each in listeners:
        relay.switch.listen(each)
    broker = relay.broker
    broker.adopt(plan.limits, plan.key, plan.agents, plan.trusted, trio.current_time())
    relay.switch.adopt_limits()
    relay.switch.wake()
    await store.forget(names)
    _unlink(where)
    await _keep(listeners, there, store)
    _log.info(
        "configuration adopted",
        agents=[str(address) for address in relay.agents],
        validators=[str(address) for address in relay.validators],
        keys=len(plan.agents),
    )
    if later:
        _log.warning("restart needed", keys=later)
    relay.reloads.end()
