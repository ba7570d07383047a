"""edge. What the commands of any daemon show to people. Times are local."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from daemons.troubles import Trouble
from protocol.text import clean

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))


def when(seconds: float) -> str:
    """A moment in Unix seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def span(seconds: float) -> str:
    """Roughly, in the largest unit that fits at least once."""
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def counted(counts: Mapping[str, int]) -> str:
    """Those that are not 0."""
    found = [f"{clean(word)} {count}" for word, count in counts.items() if count]
    return ", ".join(found) or "none"


def trouble_lines(replies: Sequence[object]) -> Iterator[str]:
    """The last troubles of a log, under a heading if there are any."""
    troubles = [reply for reply in replies if isinstance(reply, Trouble)]
    if troubles:
        yield "last warnings and errors"
    for trouble in troubles:
        yield f"  {when(trouble.at)}  {clean(trouble.what)}"
