"""The agent's log as a list that a test can wait on and search."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from tests.support.patience import PATIENCE


@dataclass
class RecordedLog:
    """Every event, with its fields."""

    events: list[dict[str, Any]] = field(default_factory=list)
    _more: trio.Event = field(default_factory=trio.Event)

    def named(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    async def event(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th of that name, as soon as it is there."""
        with trio.fail_after(PATIENCE):
            while len(found := self.named(event)) < count:
                await self._more.wait()
        return found[count - 1]

    def take(self, _logger: object, _method: str, event: Any) -> Any:
        self.events.append(dict(event))
        self._more.set()
        self._more = trio.Event()
        raise structlog.DropEvent


@contextmanager
def recorded_log() -> Iterator[RecordedLog]:
    log = RecordedLog()
    structlog.configure(processors=[structlog.processors.add_log_level, log.take])
    try:
        yield log
    finally:
        structlog.reset_defaults()
