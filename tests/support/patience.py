"""Waits for what has no event to wait for: another part's state, or another process's."""

from collections.abc import Callable

import trio

PATIENCE = 20.0
"""Seconds until something that must happen is missed: real parts on a busy machine."""
_LOOK_AGAIN = 0.005


async def until(condition: Callable[[], object]) -> None:
    """Returns as soon as `condition` is true; TooSlowError after PATIENCE."""
    with trio.fail_after(PATIENCE):
        while True:
            if condition():
                return
            await trio.sleep(_LOOK_AGAIN)
