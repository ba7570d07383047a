"""edge. Room for as many connections as the limits allow: each costs the process a descriptor."""

import resource
from typing import Final

from relay.limits import Limits

SPARE: Final = 64
"""Standard streams, listeners, epoll sets, Trio's own, and the one connection over a cap."""


def needed(limits: Limits) -> int:
    """Descriptors of a relay at all its caps."""
    return limits.links + limits.incomplete + limits.held + limits.transactions + SPARE


def provide(count: int) -> int:
    """Raise this process's soft limit to `count` where the hard one allows; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return count
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
