"""shell. The admin socket: what the command line asks of the running relay.

daemons.admin_socket says who is heard. What stops or reloads the relay goes by the signal that does
so, whoever handles it.
"""

import os
import signal
from functools import partial
from pathlib import Path

import structlog
import trio

from daemons.admin_socket import MODE, MOST_CONNECTIONS, send_line, serve_caller
from daemons.connections import serve_connections
from daemons.lines import Done, Refused
from daemons.unix_listener import unix_listener
from protocol.agent_auth import public_bytes
from relay.admin_wire import (
    Drain,
    Draining,
    Go,
    Probe,
    Reload,
    Reply,
    Request,
    ShowStatus,
    Why,
    decode_request,
)
from relay.overview import Overview

PROBER = "probe"
"""The name of an agent that is let in for a probe."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def serve_admin(
    overview: Overview,
    path: Path,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen on `path` until cancelled. Raises ListenError before it has started."""
    async with unix_listener(path, MODE) as listener:
        task_status.started()
        serve_one = partial(serve_caller, decode=decode_request, answer=partial(_answer, overview))
        await serve_connections(listener, serve_one, MOST_CONNECTIONS)


async def _answer(
    overview: Overview, request: Request, stream: trio.SocketStream, _scope: trio.CancelScope
) -> Reply:
    """Do what is asked, and return what to say last."""
    match request:
        case ShowStatus():
            for reply in await overview.status():
                await send_line(stream, reply)
        case Why():
            for reply in await overview.why(request):
                await send_line(stream, reply)
        case Reload():
            return await _reload(overview)
        case Drain():
            relay = overview.relay
            refused = _signalled(signal.SIGINT)
            if isinstance(refused, Refused):
                return refused
            running = len(relay.broker.transactions)
            await send_line(stream, Draining(running, relay.plan.limits.drain))
            await trio.sleep_forever()
        case Probe():
            return await _probe(overview, request.key, stream)
    return Done()


def _signalled(number: signal.Signals) -> Reply:
    """As an operator would with kill; a signal that nobody handles would end the relay."""
    if signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN):
        return Refused(f"this relay does not take {number.name} now")
    _log.info("signalled by command", signal=number.name)
    os.kill(os.getpid(), number)
    return Done()


async def _reload(overview: Overview) -> Reply:
    """When it is over."""
    not_signalled = _signalled(signal.SIGHUP)
    if isinstance(not_signalled, Refused):
        return not_signalled
    refused = await overview.relay.reloads.next_one()
    return Refused(refused) if refused else Done()


async def _probe(overview: Overview, key: bytes, stream: trio.SocketStream) -> Reply:
    """Until the caller goes away."""
    guests = overview.relay.broker.links.guests
    if key in guests:
        return Refused("somebody probes with this key already")
    guests[key] = PROBER
    try:
        for reply in overview.listening():
            await send_line(stream, reply)
        await send_line(stream, Go(public_bytes(overview.relay.plan.key)))
        await trio.sleep_forever()
    finally:
        del guests[key]
