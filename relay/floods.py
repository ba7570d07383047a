"""pure. Strangers' ends, counted: nobody fills the log by coming often.

The first end of a kind is told as it is. Those of the next seconds are counted, and told of in one
record, which says how many there were, from how many networks, and names one of these. As long as
there are more, one such record follows another; so of each kind there is one in ten seconds at
most, and every end is in one of them.

Must not know what agents do: their requests and links are all told.
"""

import math
from typing import Final

from relay.moments import between
from relay.outcomes import LinkOutcome, ValidatorOutcome
from relay.peers import Peer, source_text
from relay.records import Record, Repeated

WINDOW: Final = 10.0
"""Seconds. Soon enough to watch an attack, and at most some 20 kinds of lines in that time."""

MOST_NETWORKS: Final = 256
"""That are told apart in a window, per kind: from here on it is "very many"."""

Kind = ValidatorOutcome | LinkOutcome | None
"""How a validator ended, how a link that never was attached did; None: no descriptor was left."""


class _Window:
    """What was not told since a moment."""

    __slots__ = ("count", "first", "since", "sources")

    def __init__(self, now: float) -> None:
        self.since: Final = now
        self.count = 0
        self.first: Peer | int | None = None
        self.sources: Final[set[bytes | int]] = set()


class Floods:
    """The kinds of which there was one lately, the one that is due next first."""

    __slots__ = ("_records", "_windows")

    def __init__(self, records: list[Record]) -> None:
        """`records` gets what is to be told in the end."""
        self._records: Final = records
        self._windows: Final[dict[Kind, _Window]] = {}

    def is_first(self, kind: Kind, peer: Peer | int | None, now: float) -> bool:
        """Whether this end is to be told by itself; if not, it is counted. `peer` may be a uid."""
        window = self._windows.get(kind)
        if window is None:
            self._windows[kind] = _Window(now)
            return True
        window.count += 1
        if peer is not None and len(window.sources) < MOST_NETWORKS:
            window.sources.add(peer if isinstance(peer, int) else peer.network)
            if window.first is None:
                window.first = peer
        return False

    def untold(self) -> dict[Kind, int]:
        """What was counted, and is not told of yet."""
        return {kind: window.count for kind, window in self._windows.items()}

    def next(self) -> float:
        """When to call `tell` again at the latest, or infinity."""
        for window in self._windows.values():
            return window.since + WINDOW
        return math.inf

    def tell(self, now: float) -> None:
        """Of what was counted long enough."""
        while self.next() <= now:
            kind, window = next(iter(self._windows.items()))
            del self._windows[kind]
            if window.count:
                self._tell(kind, window, now)
                self._windows[kind] = _Window(now)

    def tell_all(self, now: float) -> None:
        """Of all that was counted, for there will be no later."""
        for kind, window in self._windows.items():
            if window.count:
                self._tell(kind, window, now)
        self._windows.clear()

    def _tell(self, kind: Kind, window: _Window, now: float) -> None:
        if kind is None:
            what = "no descriptor left"
        else:
            what = "link ended" if isinstance(kind, LinkOutcome) else "validator ended"
        self._records.append(
            Repeated(
                what=what,
                outcome="" if kind is None else kind.value,
                count=window.count,
                networks=len(window.sources),
                source="" if window.first is None else source_text(window.first),
                lasted=between(window.since, now),
            )
        )
