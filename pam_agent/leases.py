"""pure. Leases: who has signed on is let in again for a while, from the same place.

They are in memory only, so a restart ends them all. Times are seconds of the host's clock, which
goes on while the host sleeps.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from protocol.limits import KEY_LENGTH

MAX_LEASES: Final = 4096
"""More than a host has people; then the oldest goes, and its owner signs on once more."""


@dataclass(frozen=True)
class LeaseKey:
    """What two sign-ons have in common of which one may stand for both.

    `caller` is the uid of the program that asks: what one user's own program has been told says
    nothing to sshd. `user` is the login name, `account` whose devices count for it, `first_factor`
    what held before. `typed` is a mark (32 bytes) of the secret that was typed, empty where none
    was.
    """

    caller: int
    user: str
    account: str
    service: str
    remote: str
    first_factor: str = ""
    typed: bytes = b""


def is_address(remote: str) -> bool:
    """Whether it says where somebody comes from. A name may stand for many hosts, and whoever has
    its DNS says which; sshd says UNKNOWN where it does not know."""
    try:
        ipaddress.ip_address(remote)
    except ValueError:
        return False
    return True


class Leases:
    """All leases of one host."""

    def __init__(self, key: bytes, most: int = MAX_LEASES) -> None:
        """`key` (32 bytes, random) makes marks that say nothing to who reads memory later."""
        if len(key) != KEY_LENGTH:
            raise ValueError("the key of marks has another length")
        self._key: Final = key
        self._most: Final = most
        self._granted: dict[LeaseKey, float] = {}
        self._ended = 0

    def mark(self, secret: str) -> bytes:
        """What stands for a typed secret: a keyed hash (32 bytes)."""
        return hmac.digest(self._key, secret.encode(errors="surrogateescape"), sha256)

    def moment(self) -> int:
        """To be taken before what a lease is granted for is looked at."""
        return self._ended

    def grant(self, key: LeaseKey, moment: int, now: float) -> None:
        """A lease from now on, unless leases were ended since `moment`: what they were ended for
        may have been what this one is granted for."""
        if moment != self._ended:
            return
        self._granted.pop(key, None)
        self._granted[key] = now  # behind all others, which are older
        while len(self._granted) > self._most:
            del self._granted[next(iter(self._granted))]

    def covers(self, key: LeaseKey, seconds: float, now: float) -> bool:
        """Whether one that lasts `seconds` holds; one that does not is gone."""
        granted = self._granted.get(key)
        if granted is None:
            return False
        if now < granted + seconds:
            return True
        del self._granted[key]
        return False

    def end(self, account: str) -> int:
        """End all of an account, now. How many."""
        self._ended += 1
        ended = [key for key in self._granted if key.account == account]
        for key in ended:
            del self._granted[key]
        return len(ended)

    def holding(self, seconds: Mapping[str, float], now: float) -> int:
        """How many hold, where those of a service last `seconds`; the others are gone."""
        for key in list(self._granted):
            self.covers(key, seconds.get(key.service, 0.0), now)
        return len(self._granted)

    def __len__(self) -> int:
        return len(self._granted)
