"""pure. Leaky buckets: so many at once, then one in so many seconds, for each of many."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

_Key = TypeVar("_Key")


class Buckets(Generic[_Key]):
    """One leaky bucket a key: `burst` at once, then one in `seconds`."""

    def __init__(self, burst: int, seconds: float, most: int) -> None:
        self._burst: Final = burst
        self._seconds: Final = seconds
        self._most: Final = most
        self._levels: OrderedDict[_Key, tuple[float, float]] = OrderedDict()
        """The level and its moment."""

    def __len__(self) -> int:
        return len(self._levels)

    def room(self, key: _Key, moment: float) -> bool:
        return self._level(key, moment) + 1 <= self._burst

    def add(self, key: _Key, moment: float, amount: float) -> None:
        level = self._level(key, moment) + amount
        self._levels.pop(key, None)
        if level > 0:
            self._levels[key] = (level, moment)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)

    def _level(self, key: _Key, moment: float) -> float:
        level, since = self._levels.get(key, (0.0, moment))
        return max(0.0, level - (moment - since) / self._seconds)
