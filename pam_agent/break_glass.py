"""pure. Break-glass: for a bounded time an account signs on without a device, by root's word.

Times are Unix seconds.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

MIN_BREAK_GLASS: Final = 60
"""Seconds; less is over before anybody has signed on."""
MAX_BREAK_GLASS: Final = 24 * 3600
"""Seconds of the longest one: who needs more opens another, and gives a reason again."""
DEFAULT_BREAK_GLASS: Final = 2 * 3600
"""Seconds: long enough to fetch or to buy a device, and to enrol it."""
MAX_REASON: Final = 100
"""Characters of a reason: with the times before it, it fits into CONTEXT's alert."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class BreakGlass:
    """One that was opened; whether it still holds is `holds`."""

    account: str
    opened: int
    until: int
    reason: str
    by_uid: int

    def holds(self, now: float) -> bool:
        """Not before it was opened either, which is what a clock shows that was set far back."""
        return self.opened <= now < min(self.until, self.opened + MAX_BREAK_GLASS)

    def moved(self, seconds: int) -> "BreakGlass":
        """The same one by a clock that was set back by so much."""
        return replace(self, opened=self.opened - seconds, until=self.until - seconds)

    def notice(self) -> str:
        """What the account's devices are told of it."""
        return self._told(self.until, "")

    def last_notice(self, ended: float, uses: int) -> str:
        """The same when it is over, with how many sign-ons it let in."""
        return self._told(min(ended, self.until), f", {used(uses)}")

    def _told(self, until: float, uses: str) -> str:
        span = f"{_moment(self.opened)} to {_moment(until)} UTC"
        return f"break-glass for {self.account}, {span}{uses}: {self.reason}"


def used(times: int) -> str:
    """How many sign-ons it has let in, in words."""
    if not times:
        return "used never"
    return "used once" if times == 1 else f"used {times} times"


def seconds_of(text: str) -> int | None:
    """Such as `90m` or `2h`, in seconds; None for what is no time or out of bounds."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        return None
    seconds = int(found[1]) * _UNITS[found[2]]
    return seconds if MIN_BREAK_GLASS <= seconds <= MAX_BREAK_GLASS else None


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %H:%M")
