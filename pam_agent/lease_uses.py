"""pure. Who was let in by leases, for the audit log: all of them, without an entry for each.

A mail program signs on every minute, and its entries would push all others out.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from pam_agent.leases import MAX_LEASES

ENTRY_SECONDS: Final = 3600.0
"""One entry at most in so long for each of them: 24 a day, where an approval each morning has one.
The first use has its own at once; those that follow are counted, and told together."""


@dataclass(frozen=True)
class LeaseUse:
    """Whom, at what, and from where."""

    account: str
    service: str
    remote: str


class LeaseUses:
    """Of one host. Times are seconds of its clock. Beyond `most` the one that has its last entry
    for longest is forgotten with its count; the service's log has each sign-on."""

    def __init__(self, most: int = MAX_LEASES) -> None:
        self._most: Final = most
        self._untold: OrderedDict[LeaseUse, tuple[float, int]] = OrderedDict()
        """The moment of the last entry, and how many there were since."""

    def count(self, use: LeaseUse, now: float) -> int:
        """One more. How many the entry is about that is to be written now, 0 for none."""
        since, times = self._untold.get(use, (-ENTRY_SECONDS, 0))
        times += 1
        if now - since >= ENTRY_SECONDS:
            self.told(use, now)
            return times
        self._untold[use] = (since, times)
        return 0

    def told(self, use: LeaseUse, now: float) -> None:
        """There is an entry now that has all of them."""
        self._untold[use] = (now, 0)
        self._untold.move_to_end(use)
        if len(self._untold) > self._most:
            self._untold.popitem(last=False)

    def due(self, now: float) -> list[tuple[LeaseUse, int]]:
        """Those whose time for the next entry has come, with how many it is about."""
        late = [
            (use, times)
            for use, (since, times) in self._untold.items()
            if now - since >= ENTRY_SECONDS
        ]
        for use, times in late:
            if not times:  # nobody has come again: its next use is a first one
                del self._untold[use]
        return [each for each in late if each[1]]

    def untold(self) -> list[tuple[LeaseUse, int]]:
        """All that no entry tells of yet."""
        return [(use, times) for use, (_, times) in self._untold.items() if times]


def told_times(times: int) -> str:
    """An entry's detail."""
    return "" if times == 1 else f"{times} times since the entry before"
