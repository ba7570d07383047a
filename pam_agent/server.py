"""shell. The agent's parts put together: its store, its links, its two sockets, until cancelled."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import socket
from typing import Final

import structlog
import trio

from daemons.connections import serve_connections
from daemons.metrics_page import metrics_listener, serve_metrics
from daemons.troubles import Troubles
from daemons.unix_listener import unix_listener
from pam_agent import local_socket
from pam_agent.accounts import Accounts
from pam_agent.admin import Admin
from pam_agent.agent import Agent
from pam_agent.lease_audit import write_lease_uses
from pam_agent.metrics import Metrics
from pam_agent.overview import Overview
from pam_agent.policy import MAX_SIGN_ONS
from pam_agent.resealing import StoreKeys
from pam_agent.settings import Config
from pam_agent.socket_folder import check_folder

_NO_KEYS: Final = StoreKeys()

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def boot_time() -> float:
    """Seconds since boot, sleep included, so that a suspended laptop does not stretch deadlines."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def serve(
    config: Config,
    keys: StoreKeys = _NO_KEYS,
    *,
    given: Mapping[Path, socket] | None = None,
    troubles: Troubles | None = None,
    dropped: Callable[[], int] = lambda: 0,
    clock: Callable[[], float] = boot_time,
    task_status: trio.TaskStatus[Agent] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until cancelled. `given` are sockets that somebody else listens on already, by path;
    `dropped` says how many lines of the log were lost.

    Raises StoreError, or ListenError, before it has started.
    """
    given = given or {}
    for path in (config.socket, config.admin_socket):
        check_folder(path)
    async with (
        Accounts.open(config.state, time.time(), keys) as accounts,
        unix_listener(config.socket, local_socket.MODE, given.get(config.socket)) as listener,
        metrics_listener(config.metrics, given) as listens_for_metrics,
    ):
        identity = await accounts.identity()
        async with trio.open_nursery() as nursery:
            agent = Agent(config, accounts, identity, clock, time.time, nursery)
            overview = Overview(agent, troubles or Troubles(), dropped)
            admin = Admin(accounts, config.host, agent.enrol, agent.revoked, overview.answer, clock)
            nursery.start_soon(admin.watch.run)
            nursery.start_soon(write_lease_uses, agent.host)
            await nursery.start(admin.serve, config.admin_socket, given.get(config.admin_socket))
            # One more than may wait, so that the one too many is told so.
            nursery.start_soon(serve_connections, listener, agent.serve_one, MAX_SIGN_ONS + 1)
            if listens_for_metrics is not None:
                nursery.start_soon(serve_metrics, listens_for_metrics, Metrics(overview).page)
            relays = [str(link.address) for link in agent.host.links]
            _log.info("agent up", host=config.host, relays=relays, sealed=accounts.store.sealed)
            task_status.started(agent)
