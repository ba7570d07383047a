"""shell. The agent: its store, its links to the relays, its two sockets, until it is cancelled."""

import functools
import time
from collections.abc import Callable

import structlog
import trio

from pam_agent import local_socket
from pam_agent.accounts import Accounts
from pam_agent.admin import Admin, Progress
from pam_agent.host import Host
from pam_agent.host_enrolment import HostEnrolment
from pam_agent.host_signon import serve_module
from pam_agent.policy import MAX_SIGN_ONS
from pam_agent.relay_link import RelayLink
from pam_agent.settings import Config
from pam_agent.unix_listener import peer_uid, serve_connections, unix_listener

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def boot_time() -> float:
    """Seconds since boot, sleep included, so that a suspended laptop does not stretch deadlines."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def serve(
    config: Config,
    *,
    clock: Callable[[], float] = boot_time,
    task_status: trio.TaskStatus[Host] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until cancelled. Raises StoreError, or ListenError, before it has started."""
    async with (
        Accounts.open(config.state, time.time()) as accounts,
        unix_listener(config.socket, local_socket.MODE) as listener,
    ):
        host = await _host(config, accounts, clock)
        admin = Admin(accounts, host.label, functools.partial(_enrol, host), host.waiting.revoke)
        async with trio.open_nursery() as nursery:
            await nursery.start(admin.serve, config.admin_socket)
            for link in host.links:
                nursery.start_soon(link.run)
            nursery.start_soon(
                serve_connections,
                listener,
                functools.partial(_serve_one, host),
                # One more than may wait, so that the one too many is told so.
                MAX_SIGN_ONS + 1,
            )
            _log.info("agent up", host=host.label, relays=[str(x.address) for x in host.links])
            task_status.started(host)


async def _host(config: Config, accounts: Accounts, clock: Callable[[], float]) -> Host:
    identity = await accounts.identity()
    links = tuple(
        RelayLink(relay.link, relay.key, identity.link, identity.shard, clock)
        for relay in config.relays
    )
    return Host(
        label=config.host,
        validators=config.validators,
        identity=identity,
        accounts=accounts,
        links=links,
        timers=config.timers,
        callers=config.callers,
        services=config.services,
        clock=clock,
        wall_clock=time.time,
    )


async def _enrol(host: Host, account: str, progress: Progress) -> None:
    await HostEnrolment(host, account, progress).run()


async def _serve_one(host: Host, stream: trio.SocketStream) -> None:
    """One caller's bug must not end the others' sign-ons; without a result its module denies."""
    uid = peer_uid(stream)
    if not host.calls.enter(uid):
        _log.debug("caller refused", uid=uid, reason="too many connections")
        return
    try:
        await serve_module(host, stream)
    except Exception:
        _log.exception("sign-on failed unexpectedly")
    finally:
        host.calls.leave(uid)
