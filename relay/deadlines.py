"""pure. Many things, each with at most one moment at which it must be looked at.

Moments are kept in buckets of one step, so adding and removing cost a dictionary's operation. A
thing that was removed leaves at most the number of its bucket behind, until nothing is before it.
"""

import heapq
import math
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """Times in seconds of any steady clock. Nothing is due early; it is due at most a step late."""

    __slots__ = ("_buckets", "_order", "_per_second")

    def __init__(self, per_second: int) -> None:
        """`per_second` steps: few of them cost less memory, many are more exact."""
        self._per_second: Final = per_second
        self._buckets: dict[int, dict[T, None] | None] = {}
        self._order: list[int] = []

    def add(self, thing: T, when: float) -> None:
        number = self._bucket(when)
        bucket = self._buckets.get(number)
        if bucket is not None:
            bucket[thing] = None
        else:
            if number not in self._buckets:
                heapq.heappush(self._order, number)
            self._buckets[number] = {thing: None}

    def remove(self, thing: T, when: float) -> None:
        """Take back `add` with the same `when`; nothing happens when it is no longer there."""
        number = self._bucket(when)
        bucket = self._buckets.get(number)
        if bucket is not None:
            if thing in bucket:
                del bucket[thing]
            if not bucket:
                self._buckets[number] = None

    def due(self, now: float) -> list[T]:
        """Take out everything whose moment has come, in order of moments, then of adding.

        What handling one of them does to another is the caller's to notice: both are out already.
        """
        due: list[T] = []
        while self._order and self._order[0] / self._per_second <= now:
            due += self._buckets.pop(heapq.heappop(self._order)) or ()
        return due

    def next(self) -> float:
        """The moment at which to call `due` again, or infinity. There is something then: to wake
        for nothing costs more than many sign-ons that ended in time."""
        while self._order and self._buckets[self._order[0]] is None:
            del self._buckets[heapq.heappop(self._order)]
        return self._order[0] / self._per_second if self._order else math.inf

    def _bucket(self, when: float) -> int:
        """The first whole step that is not before `when`."""
        number = math.ceil(when * self._per_second)
        # The product is rounded: 0.29 * 100 is below 29, and others come out too low a step.
        return number if number / self._per_second >= when else number + 1
