"""pure. When what happened in one sign-on, for the one line that the log has about it."""

from typing import Final


class Steps:
    """`began` by the host's clock; `at` in seconds since then, the first time of each step."""

    def __init__(self, began: float) -> None:
        self.began: Final = began
        self.at: Final[dict[str, float]] = {}

    def mark(self, step: str, now: float) -> None:
        self.at.setdefault(step, round(now - self.began, 6))
