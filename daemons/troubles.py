"""pure. The last warnings and errors of the log, for `bartizan-agent status`."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from protocol.text import fit

MAX_TROUBLES: Final = 10
"""What fits under a status on one screen; the log has the rest."""
MAX_SHOWN: Final = 400
"""Bytes of one."""
MAX_REFUSAL: Final = 1024
"""Bytes of why a configuration is refused, as it is kept and told: some ten mistakes."""

_NOT_SHOWN: Final = frozenset({"event", "level", "time", "exception"})


def refusal(mistakes: str) -> str:
    """Why a configuration is refused: its mistakes, a line each, in one line."""
    return fit("; ".join(mistakes.splitlines()), MAX_REFUSAL)


class Trouble(Struct, frozen=True, tag="trouble"):
    """One line of the log. `at` in Unix seconds."""

    at: float
    level: str
    what: str


class Troubles:
    """The last of them, the oldest first."""

    def __init__(self) -> None:
        self._last: deque[Trouble] = deque(maxlen=MAX_TROUBLES)

    def note(self, at: float, level: str, event: Mapping[str, object]) -> None:
        """`event` is the log's, with its name under `event`."""
        fields = [f"{key} {value}" for key, value in event.items() if key not in _NOT_SHOWN]
        text = ": ".join([str(event.get("event", "")), *filter(None, [", ".join(fields)])])
        self._last.append(Trouble(at, level, fit(text, MAX_SHOWN)))

    def __iter__(self) -> Iterator[Trouble]:
        return iter(self._last)
