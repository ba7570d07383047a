"""shell. Writes into the audit log what leases have let in since their last entry."""

from collections.abc import Iterable
from typing import Final

import structlog
import trio

from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.host import Host
from pam_agent.lease_uses import LeaseUse, told_times
from pam_agent.outcomes import SignOnEnd
from pam_agent.schema import StoreError

LOOK: Final = 60.0
"""Seconds between two looks at what is due: an entry is so late at most."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def write_lease_uses(host: Host) -> None:
    """Until cancelled, and then what is left."""
    try:
        while True:
            await trio.sleep(LOOK)
            await _write(host, host.lease_uses.due(host.clock()))
    finally:
        with trio.CancelScope(shield=True):
            await _write(host, host.lease_uses.untold())


async def _write(host: Host, uses: Iterable[tuple[LeaseUse, int]]) -> None:
    try:
        for use, times in uses:
            host.lease_uses.told(use, host.clock())
            await host.accounts.audit(entry(host, use, times))
    except StoreError as error:
        _log.error("store failed", reason=str(error))


def entry(host: Host, use: LeaseUse, times: int) -> AuditEntry:
    """Of so many sign-ons by a lease."""
    return AuditEntry(
        int(host.wall_clock()),
        AuditKind.SIGN_ON,
        use.account,
        SignOnEnd.LEASE.value,
        service=use.service,
        remote=use.remote,
        detail=told_times(times),
    )
