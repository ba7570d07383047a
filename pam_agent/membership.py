"""shell. Who has to sign on at a service, as the host's name service knows users and groups.

It may be slow, away, or not know somebody: then the sign-on is required.
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
    """By uid and gid, since a directory may know one user by several names."""
    try:
        entry = pwd.getpwnam(user)
        wanted = {grp.getgrnam(group).gr_gid for group in groups}
        own = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, ValueError, OSError):
        return True
    return not wanted.isdisjoint(own) or any(_is_uid(entry.pw_uid, each) for each in users)


def _is_uid(uid: int, name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_uid == uid
    except (KeyError, ValueError):
        return False
