"""pure. Break-glass: for a bounded time an account signs on without a device, by root's word.

Times are Unix seconds.
"""

from dataclasses import dataclass
from typing import Final

MIN_BREAK_GLASS: Final = 60
"""Seconds; less is over before anybody has signed on."""
MAX_BREAK_GLASS: Final = 24 * 3600
"""Seconds of the longest one: who needs more opens another, and gives a reason again."""
DEFAULT_BREAK_GLASS: Final = 2 * 3600
"""Seconds: long enough to enrol a new device."""
MAX_REASON: Final = 100
"""Characters of a reason: with the times around it, it fits into CONTEXT's alert."""


@dataclass(frozen=True)
class BreakGlass:
    """One that was opened; whether it still holds is `holds`."""

    account: str
    opened: int
    until: int
    reason: str
    by_uid: int

    def holds(self, now: float) -> bool:
        """Not before it was opened: a clock that is set back does not prolong it."""
        return self.opened <= now < min(self.until, self.opened + MAX_BREAK_GLASS)
