"""pure. Descriptors: as many connections as there is room for, and a share of them for each kind.

Where the process may open fewer files than its limits need, the limits give way before it starts.
So it is the relay that says who has to go, and never the kernel, which would turn away an agent as
soon as a stranger.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from relay.limits import Limits

SPARE: Final = 32
"""Standard streams, listeners, epoll sets, Trio's own, a name being looked up, and the one
connection that is over a cap until it is closed."""

SHARES: Final[Mapping[str, int]] = {
    "links": 4,  # a quarter: a whole host hangs on each, and without it nobody signs on there
    "transactions": 6,  # three eighths: these are the sign-ons that are under way
    "incomplete": 3,  # the rest is for strangers: the honest among them pass through here at once
    "held": 3,  # and wait here only when their request is late
}
"""Sixteenths. What a kind does not need the others share in the same proportion."""


def needed(limits: Limits) -> int:
    """Descriptors of a relay at all its caps."""
    return limits.connections + SPARE


def fit(limits: Limits, available: int) -> Limits:
    """The same limits for a process that may have so many descriptors, some caps lowered.

    No cap is lowered to nothing, so with fewer than `SPARE` and one for each kind it is not enough.
    """
    fitted = _caps(limits)
    room = available - SPARE
    if limits.connections <= room:
        return limits
    open_ended = dict(SHARES)
    while True:
        sixteenths = sum(open_ended.values())
        content = [kind for kind in open_ended if fitted[kind] * sixteenths <= room * SHARES[kind]]
        if not content:
            break
        for kind in content:
            room -= fitted[kind]
            del open_ended[kind]
    for kind, share in open_ended.items():
        fitted[kind] = max(1, room * share // sixteenths)
    return msgspec.structs.replace(limits, **fitted)


def lowered(limits: Limits, fitted: Limits) -> dict[str, int]:
    """The caps that gave way, and what they are now."""
    before, after = _caps(limits), _caps(fitted)
    return {kind: after[kind] for kind in after if after[kind] < before[kind]}


def _caps(limits: Limits) -> dict[str, int]:
    return {
        "links": limits.links,
        "transactions": limits.transactions,
        "incomplete": limits.incomplete,
        "held": limits.held,
    }
