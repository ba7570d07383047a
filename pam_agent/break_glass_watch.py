"""shell. Ends each break-glass when its time is over, also when the agent slept or was down."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from pam_agent.administration import Administration
from pam_agent.break_glass import BreakGlass
from pam_agent.schema import StoreError

LONGEST_SLEEP: Final = 60.0
"""Seconds between two looks while one is open: a clock that was set is noticed by then. Each
sign-on looks at the time itself."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class BreakGlassWatch:
    """`run` it beside the agent; `look` again when one was opened."""

    def __init__(
        self,
        administration: Administration,
        wall_clock: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """`wall_clock` gives Unix seconds; `clock` is one that goes on while the host sleeps, and
        that nobody sets."""
        self._administration: Final = administration
        self._wall_clock: Final = wall_clock
        self._clock: Final = clock
        self._behind: float | None = None
        """Seconds from one clock to the other when the first was opened; None while none is."""
        self._changed = trio.Event()

    def look(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. What is open at the start is told to the administrator again."""
        try:
            for each in await self._administration.break_glass():
                if each.holds(self._wall_clock()):
                    log_open(each)
        except StoreError as error:
            _log.error("store failed", reason=str(error))
        while True:
            self._changed = trio.Event()
            with trio.move_on_after(await self._turn()):
                await self._changed.wait()

    async def _turn(self) -> float:
        """Seconds until the next look, for ever while none is open."""
        try:
            await self._follow_the_clock()
            now = self._wall_clock()
            for each in await self._administration.end_old_break_glass(now):
                _log.warning("break-glass ended", user=each.account, reason="its time is over")
            still = await self._administration.break_glass()
        except StoreError as error:
            _log.error("store failed", reason=str(error))
            return LONGEST_SLEEP
        if not still:
            self._behind = None
            return float("inf")
        return min(LONGEST_SLEEP, max(0.1, min(each.until for each in still) - now))

    async def _follow_the_clock(self) -> None:
        """One that is set back prolongs nothing. One that is set on shortens, and may be corrected.

        Raises StoreError."""
        behind = self._clock() - self._wall_clock()
        if self._behind is None:
            self._behind = behind
        elif (back := int(behind - self._behind)) > 0:
            await self._administration.move_break_glass(back)
            self._behind += back


def log_open(opened: BreakGlass) -> None:
    """A warning: for so long nobody asks this user's devices."""
    _log.warning(
        "break-glass opened",
        user=opened.account,
        opened=opened.opened,
        until=opened.until,
        reason=opened.reason,
        uid=opened.by_uid,
    )
