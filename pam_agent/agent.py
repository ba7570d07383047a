"""shell. The agent while it runs: what its sign-ons share, and how that changes by configuration.

A sign-on keeps, to its end, what was there at its beginning: its relays, timers and policies. So a
new configuration interrupts nothing, and a relay that is no longer wanted goes with the last
sign-on that began with it.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from typing import Final

import msgspec
import structlog
import trio

from daemons.unix_listener import peer_uid
from pam_agent.accounts import Accounts
from pam_agent.admin import Progress
from pam_agent.code_store import Codes
from pam_agent.host import Host
from pam_agent.host_enrolment import HostEnrolment
from pam_agent.host_signon import serve_module
from pam_agent.leases import Leases
from pam_agent.records import AgentIdentity
from pam_agent.relay_link import RelayLink
from pam_agent.settings import Config, Relay
from protocol.limits import KEY_LENGTH

NEEDS_RESTART: Final = ("host", "state", "socket", "admin_socket", "log.format", "metrics")
"""Keys of the configuration that a running agent cannot change: what devices know it by, the store
that it has locked, the sockets that others have found, the place where its log goes."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Agent:
    """`host` is what the next sign-on begins with."""

    def __init__(
        self,
        config: Config,
        accounts: Accounts,
        identity: AgentIdentity,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        nursery: trio.Nursery,
    ) -> None:
        """The links run in `nursery`."""
        self._nursery: Final = nursery
        self._identity: Final = identity
        self._clock: Final = clock
        self._links: dict[RelayLink, trio.CancelScope] = {}
        self._in_use: Counter[Host] = Counter()
        self.config = config
        self.refused = ""
        """Why the last new configuration was not adopted."""
        self.host = Host(
            label=config.host,
            validators=config.validators,
            identity=identity,
            accounts=accounts,
            links=self._linked(config.relays),
            timers=config.timers,
            callers=config.callers,
            services=config.services,
            clock=clock,
            wall_clock=wall_clock,
            codes=Codes(accounts),
            leases=Leases(secrets.token_bytes(KEY_LENGTH)),
        )

    def adopt(self, config: Config) -> tuple[str, ...]:
        """Begin every further sign-on with `config`. The keys whose change needs a restart."""
        old = self.config
        wanted = {key: attrgetter(key) for key in NEEDS_RESTART}
        later = tuple(key for key, get in wanted.items() if get(old) != get(config))
        self.refused = ""
        self.config = replace(
            config,
            host=old.host,
            state=old.state,
            socket=old.socket,
            admin_socket=old.admin_socket,
            log=msgspec.structs.replace(config.log, format=old.log.format),
            metrics=old.metrics,
        )
        self.host = replace(
            self.host,
            validators=config.validators,
            links=self._linked(config.relays),
            timers=config.timers,
            callers=config.callers,
            services=config.services,
        )
        self._drop_unwanted()
        return later

    async def serve_one(self, stream: trio.SocketStream) -> None:
        """One caller's bug must not end others' sign-ons; without a result its module denies."""
        uid = peer_uid(stream)
        with self._using() as host:
            if not host.calls.enter(uid):
                _log.debug("caller refused", uid=uid, reason="too many connections")
                return
            try:
                await serve_module(host, stream)
            except Exception:
                _log.exception("sign-on failed unexpectedly")
            finally:
                host.calls.leave(uid)

    async def enrol(self, account: str, progress: Progress) -> None:
        with self._using() as host:
            await HostEnrolment(host, account, progress).run()

    def revoked(self, account: str) -> None:
        """A device of the account is gone: what it was for ends, and what follows from it."""
        self.host.leases.end(account)
        self.host.waiting.revoke(account)

    @contextmanager
    def _using(self) -> Iterator[Host]:
        """What is shared now, which stays for as long as somebody uses it."""
        host = self.host
        self._in_use[host] += 1
        try:
            yield host
        finally:
            self._in_use[host] -= 1
            if not self._in_use[host]:
                del self._in_use[host]
                self._drop_unwanted()

    def _linked(self, relays: tuple[Relay, ...]) -> tuple[RelayLink, ...]:
        """A link to each relay: the one that there is already, or a new one that is begun."""
        there = {(link.address, link.relay_key): link for link in self._links}
        return tuple(there.get((relay.link, relay.key)) or self._begin(relay) for relay in relays)

    def _begin(self, relay: Relay) -> RelayLink:
        identity = self._identity
        link = RelayLink(relay.link, relay.key, identity.link, identity.shard, self._clock)
        self._links[link] = scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await link.run()

        self._nursery.start_soon(run)
        return link

    def _drop_unwanted(self) -> None:
        wanted = {link for host in (self.host, *self._in_use) for link in host.links}
        for link in [each for each in self._links if each not in wanted]:
            _log.info("relay dropped", relay=str(link.address))
            self._links.pop(link).cancel()
