"""pure. Leaky buckets: so many at once, and then so many a second."""

from typing import Final


class Size:
    """What all buckets of one kind have in common."""

    __slots__ = ("burst", "most", "rate")

    def __init__(self, rate: float, burst: float, most: float) -> None:
        self.rate: Final = rate
        """That drains in a second."""
        self.burst: Final = burst
        """That one more of 1 must not lift it over."""
        self.most: Final = most
        """That it never holds more than, whatever is added."""


class Bucket:
    """Times are seconds of a steady clock."""

    __slots__ = ("_drained", "_level", "_size")

    def __init__(self, size: Size, now: float) -> None:
        self._size: Final = size
        self._level = 0.0
        self._drained = now

    def is_full(self, now: float) -> bool:
        """Whether one more is too many."""
        burst = self._size.burst
        if self._level + 1.0 <= burst:
            return False  # and there is less in it by now
        self._drain(now)
        return self._level + 1.0 > burst

    def is_empty(self, now: float) -> bool:
        self._drain(now)
        return not self._level

    def left(self, now: float) -> float:
        """What is still in it."""
        self._drain(now)
        return self._level

    def add(self, amount: float, now: float) -> None:
        """A negative one takes out what is still there."""
        self._drain(now)
        self._level = max(0.0, min(self._level + amount, self._size.most))

    def _drain(self, now: float) -> None:
        self._level = max(0.0, self._level - (now - self._drained) * self._size.rate)
        self._drained = now
