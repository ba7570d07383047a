"""shell. One relay: its listeners, its broker, and the switch between them, until told to stop."""

import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
import trio

from protocol.address import TcpAddress, UnixAddress
from relay.broker import Broker
from relay.config import ConfigError, Plan
from relay.listeners import address_of, open_listener
from relay.logs import Reporter
from relay.switch import Listener, Switch


@dataclass(frozen=True)
class Relay:
    """A running relay, as `serve` reports it when it listens."""

    broker: Broker
    switch: Switch
    agents: tuple[TcpAddress | UnixAddress, ...]
    """Where agents attach."""
    validators: tuple[TcpAddress | UnixAddress, ...]
    """Where validators connect, the port filled in where 0 was asked for."""
    drain: Callable[[], None]
    """Begin to stop: no new requests, and the end when no transaction runs or time is up."""


def open_listeners(plan: Plan) -> list[Listener]:
    """Raises ConfigError for an address that cannot be listened on."""
    listeners: list[Listener] = []
    for wanted in plan.listeners:
        try:
            sockets = open_listener(
                wanted.address, plan.sockets, for_strangers=wanted.trusted is None
            )
        except OSError as error:
            for listener in listeners:
                listener.socket.close()
            reason = error.strerror or error
            raise ConfigError(f"cannot listen on {wanted.address}: {reason}") from None
        listeners += [Listener(sock, wanted.trusted, wanted.proxies) for sock in sockets]
    return listeners


async def serve(
    plan: Plan,
    listeners: Sequence[Listener],
    report: Reporter,
    task_status: trio.TaskStatus[Relay] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until drained or cancelled; the listeners are closed then."""
    broker = Broker(plan.limits, plan.key, plan.agents, _jitter().__next__)
    switch = Switch(broker, listeners, report)
    stopping = trio.Event()
    relay = Relay(
        broker,
        switch,
        tuple(address_of(x.socket) for x in listeners if x.trusted is not None),
        tuple(address_of(x.socket) for x in listeners if x.trusted is None),
        stopping.set,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(switch.run)
        task_status.started(relay)
        await stopping.wait()
        broker.drain()
        switch.wake()
        with trio.move_on_after(plan.limits.drain):
            await switch.drained.wait()
        nursery.cancel_scope.cancel()


async def serve_until_signalled(
    plan: Plan, listeners: Sequence[Listener], report: Reporter
) -> None:
    """As a program: SIGTERM or SIGINT drains, a second one kills."""
    log = structlog.get_logger()
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            relay: Relay = await nursery.start(serve, plan, listeners, report)
            log.info(
                "relay up",
                agents=[str(address) for address in relay.agents],
                validators=[str(address) for address in relay.validators],
            )
            async for number in signals:
                log.info("relay stopping", signal=signal.Signals(number).name)
                break
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as SIGTERM is now: no KeyboardInterrupt
        relay.drain()
    log.info("relay down")


def _jitter() -> Iterator[float]:
    """Numbers of 0 to 1, one random byte each, fetched by the page: a system call per connection
    is too dear for it."""
    while True:
        for byte in secrets.token_bytes(4096):
            yield byte / 255
