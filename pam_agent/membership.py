"""shell. Who has to sign on at a service, as the host's name service knows users and groups.

It may be slow, away, or not know somebody, or whom the configuration names: then the sign-on is
required.
"""

import grp
import os
import pwd
from typing import Final

import trio

from pam_agent.service_policy import ServicePolicy

PATIENCE: Final = 5.0
"""Seconds for the name service: a directory may be away."""

MOST_LOOK_UPS: Final = 16
"""At a time: each holds a thread, for as long as a directory that is away takes to fail."""

_limiter: Final = trio.CapacityLimiter(MOST_LOOK_UPS)


async def is_required(policy: ServicePolicy, user: str) -> bool:
    """Whether `policy` asks the login name `user` to sign on."""
    if policy.for_everybody:
        return True
    with trio.move_on_after(PATIENCE):
        return await trio.to_thread.run_sync(
            _is_named, user, policy.users, policy.groups, limiter=_limiter, abandon_on_cancel=True
        )
    return True


def _is_named(user: str, users: frozenset[str], groups: frozenset[str]) -> bool:
    """By uid and gid, since a directory may know one user by several names. A name in the
    configuration that nobody has may be a misspelt one: it excepts nobody."""
    try:
        entry = pwd.getpwnam(user)
        named = {pwd.getpwnam(each).pw_uid for each in users}
        wanted = {grp.getgrnam(group).gr_gid for group in groups}
        own = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, ValueError, OSError):
        return True
    return entry.pw_uid in named or not wanted.isdisjoint(own)
