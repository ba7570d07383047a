"""shell. The agent as a service: signals, and what the service manager is told."""

import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from socket import socket

import structlog
import trio

from daemons.logs import Book, set_level
from daemons.supervision import ready, reloading, stopping
from daemons.systemd import Manager
from daemons.troubles import refusal
from pam_agent.agent import Agent
from pam_agent.config import ConfigError
from pam_agent.resealing import StoreKeys
from pam_agent.server import serve
from pam_agent.settings import Config
from pam_agent.sign_ons import Stage
from pam_agent.status_line import status_line

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def run(
    config: Config,
    keys: StoreKeys,
    reread: Callable[[], Config],
    manager: Manager,
    given: Mapping[Path, socket],
    book: Book,
) -> None:
    """Serve until SIGTERM or SIGINT. SIGHUP: begin further sign-ons with what `reread` gives.

    Raises StoreError, or ListenError, before it has started.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            agent: Agent = await nursery.start(
                partial(
                    serve,
                    config,
                    keys,
                    given=given,
                    troubles=book.troubles,
                    dropped=lambda: book.dropped,
                )
            )
            status = partial(_status, agent)
            await manager.tell(ready(status()))
            nursery.start_soon(manager.keep_informed, status)
            async for number in signals:
                if number != signal.SIGHUP:
                    break
                await manager.tell(reloading(time.clock_gettime(time.CLOCK_MONOTONIC)))
                _reload(agent, reread)
                await manager.tell(ready(status()))
            _log.info("agent stopping", signal=signal.Signals(number).name)
            await manager.tell(stopping())
            nursery.cancel_scope.cancel()


def _reload(agent: Agent, reread: Callable[[], Config]) -> None:
    """A file that is no good changes nothing."""
    try:
        config = reread()
    except ConfigError as error:
        agent.refused = refusal(str(error))
        _log.error("configuration refused", reason=agent.refused, advice="it stays as it was")
        return
    later = agent.adopt(config)
    set_level(config.log.level)
    _log.info("configuration adopted", relays=[str(link.address) for link in agent.host.links])
    if later:
        _log.warning("restart needed", keys=list(later))


def _status(agent: Agent) -> str:
    host = agent.host
    return status_line(
        host.sign_ons.at(Stage.QUEUEING, Stage.WAITING),
        host.sign_ons.at(Stage.RUNNING),
        {str(link.address): link.protocol.up for link in host.links},
    )
