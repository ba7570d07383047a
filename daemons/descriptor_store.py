"""edge. The service manager's store of descriptors: what is left there for the next process.

It outlives a restart and a crash, and ends with a stop. What is left there stays open, whoever
closes it here. sd_notify(3), FDSTORE=1.
"""

import os
import select
from collections.abc import Sequence
from typing import Final

import structlog
import trio

from daemons.supervision import MAX_STORED, Supervision, barrier, forget, keep
from daemons.systemd import send

STORE_SECONDS: Final = 10.0
"""For the manager to take all that it is to keep: 0.5 ms each, and it may be busy."""

MAX_NAMES: Final = 120_000
"""Bytes of the names of all that is kept at once, a colon behind each. The next process gets them
in one variable of its environment; one of more than 131,071 bytes (MAX_ARG_STRLEN of Linux) would
keep it from starting, for as long as the store has them. The rest is for what was kept before."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class DescriptorStore:
    """`room` is for so many descriptors; 0 without a manager that keeps any."""

    def __init__(self, told: Supervision) -> None:
        self._address: Final = told.notify or ""
        self.room: Final = told.store if told.notify is not None else 0

    async def keep(self, kept: Sequence[tuple[str, Sequence[int]]]) -> bool:
        """Leave descriptors under names; whether the manager has read all of it when this returns.

        Over `room` it keeps nothing, and tells nobody; nor does this, over MAX_NAMES.
        """
        if not self.room:
            return False
        letters = MAX_NAMES
        try:
            with trio.fail_after(STORE_SECONDS):
                for name, wanted in kept:
                    descriptors = wanted[: letters // (len(name) + 1)]
                    letters -= len(descriptors) * (len(name) + 1)
                    for first in range(0, len(descriptors), MAX_STORED):
                        some = descriptors[first : first + MAX_STORED]
                        await send(self._address, keep(name), some)
                await self._all_is_read()
        except (OSError, trio.TooSlowError) as error:
            _log.warning("no descriptors kept", reason=str(error) or "the manager does not read")
            return False
        return True

    async def forget(self, names: Sequence[str]) -> None:
        """Nothing of these names is for the next process any more."""
        if not self.room:
            return
        try:
            with trio.fail_after(STORE_SECONDS):
                for name in names:
                    await send(self._address, forget(name))
                await self._all_is_read()
        except (OSError, trio.TooSlowError) as error:
            _log.warning("descriptors still kept", reason=str(error) or "the manager does not read")

    async def _all_is_read(self) -> None:
        ours, theirs = os.pipe()
        try:
            try:
                await send(self._address, barrier(), [theirs])
            finally:
                os.close(theirs)
            with select.epoll() as hang_up:
                hang_up.register(ours, 0)  # that is told without asking
                await trio.lowlevel.wait_readable(hang_up.fileno())
        finally:
            os.close(ours)
