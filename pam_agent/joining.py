"""shell. Sign-ons with the same in common wait for one of them, where there are leases.

A program that opens many connections at once asks its user once. Who waits is let in by the lease
that the first one is granted; a refusal is everybody's; and when the first one goes away for
reasons of its own, one of the others takes its place.
"""

from collections.abc import Awaitable, Callable

import trio

from pam_agent.call import Call
from pam_agent.leases import LeaseKey
from pam_agent.outcomes import LETS_IN, SignOnEnd, ends_those_who_joined
from pam_agent.pending import MAX_JOINED, Leading


async def with_others(
    call: Call,
    key: LeaseKey | None,
    alone: Callable[[], Awaitable[SignOnEnd]],
    waits: Callable[[Leading], Awaitable[None]],
) -> SignOnEnd:
    """How the sign-on ends: by a lease, as one that is under way does, or as `alone` does.

    `waits` tells the user that another one is waited for. Without `key` it is always `alone`.
    """
    if key is None:
        return await alone()
    end: SignOnEnd | None = SignOnEnd.EXPIRED
    with trio.move_on_after(call.policy.timers.sign_on):
        end = await _waited(call, key, waits)
    # Nothing awaits between seeing that there is no other and being the one.
    return await _leads(call, key, alone) if end is None else end


async def _waited(
    call: Call, key: LeaseKey, waits: Callable[[Leading], Awaitable[None]]
) -> SignOnEnd | None:
    """How it ends by others, or None when there is no other any more."""
    host = call.host
    while not host.leases.covers(key, call.policy.lease, host.clock()):
        leading = host.pending.find(key)
        if leading is None:
            return None
        if leading.joined >= MAX_JOINED:
            return SignOnEnd.TOO_MANY
        leading.joined += 1
        call.joined = leading.sign_on_id
        call.mark("joined")
        await waits(leading)
        await leading.over.wait()
        if leading.end is not None and ends_those_who_joined(
            leading.end, same_secret=bool(key.typed)
        ):
            return leading.end
    return SignOnEnd.LEASE


async def _leads(call: Call, key: LeaseKey, alone: Callable[[], Awaitable[SignOnEnd]]) -> SignOnEnd:
    host = call.host
    moment = host.leases.moment()
    with host.pending.lead(key, call.id) as leading:
        leading.end = await alone()
        if leading.end in LETS_IN:
            host.leases.grant(key, moment, host.clock())
        return leading.end
