"""pure. When what happened in one sign-on, for the log's one line and for `bartizan-agent why`."""

from collections import Counter
from typing import Final


class Steps:
    """`began` by the host's clock; `at` in seconds since then, the first time of each step.

    `count` is how often each was taken.
    """

    def __init__(self, began: float) -> None:
        self.began: Final = began
        self.at: Final[dict[str, float]] = {}
        self.count: Final[Counter[str]] = Counter()

    def mark(self, step: str, now: float) -> None:
        self.at.setdefault(step, round(now - self.began, 6))
        self.count[step] += 1
