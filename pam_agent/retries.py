"""pure. When to connect to a relay again: soon after a good link, ever later to one that fails."""

from typing import Final

FIRST_RETRY: Final = 0.25
"""Seconds, at most, before the first new attempt; doubled by each further one."""

LAST_RETRY: Final = 15.0
"""Seconds, at most, between attempts: agents of a whole network spread over it (full jitter), and a
relay that is back has them all again soon."""

STEADY: Final = 10.0
"""Seconds that a link must have been up to count as good: a relay that attaches an agent and breaks
the protocol at once is not asked again at once, over and over."""

_MOST_DOUBLINGS: Final = 16


class Retries:
    """The attempts at one relay since its last good link."""

    def __init__(self) -> None:
        self._failed = 0

    def ended(self, up: float) -> None:
        """A link is over that was up for `up` seconds."""
        if up >= STEADY:
            self._failed = 0

    def pause(self, chance: float) -> float:
        """Seconds until the next attempt; `chance` is random, from 0 to 1."""
        longest = min(LAST_RETRY, FIRST_RETRY * 2.0**self._failed)
        self._failed = min(self._failed + 1, _MOST_DOUBLINGS)
        return longest * chance
