"""pure. Many things, each with at most one moment at which it must be looked at.

Moments are kept in buckets of 10 ms, so adding and removing cost a set operation and a removed
thing leaves nothing behind. Nothing is due early; it is due at most one bucket late.
"""

import heapq
import math
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

_PER_SECOND: Final = 100

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """Times in seconds of any steady clock."""

    __slots__ = ("_buckets", "_order")

    def __init__(self) -> None:
        self._buckets: dict[int, set[T]] = {}
        self._order: list[int] = []

    def add(self, thing: T, when: float) -> None:
        number = math.ceil(when * _PER_SECOND)
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = {thing}
            heapq.heappush(self._order, number)
        else:
            bucket.add(thing)

    def remove(self, thing: T, when: float) -> None:
        """Take back `add` with the same `when`; nothing happens when it is no longer there."""
        bucket = self._buckets.get(math.ceil(when * _PER_SECOND))
        if bucket is not None:
            bucket.discard(thing)

    def due(self, now: float) -> Iterator[T]:
        """Take out everything whose moment has come. `add` is allowed meanwhile."""
        while self._order and self._order[0] <= now * _PER_SECOND:
            yield from self._buckets.pop(heapq.heappop(self._order))

    def next(self) -> float:
        """The moment at which to call `due` again, or infinity."""
        return self._order[0] / _PER_SECOND if self._order else math.inf
