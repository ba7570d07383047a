"""pure. Who is let in, by source: before anything is allocated, and by what came of those before.

Every source, and every network of sources, has an account. A connection costs 1, which is given
back when it turns out good; one that came to nothing costs its price instead. The debt drains as
time passes: that is the rate, and the decay of penalties. Over the burst newcomers are refused.

Must not know what a connection is for, nor what is said on it. Who counts when it is refused learns
the prices that it paid, so a price must tell it only what it did itself.
"""

from collections import OrderedDict
from itertools import islice
from typing import Final

from relay.limits import Limits
from relay.peers import Peer

LOOKED_AT: Final = 8
"""Accounts, least recently seen first, among which a settled one is looked for to make room."""


class Level:
    """What all accounts of one kind have in common."""

    __slots__ = ("burst", "most", "open", "rate")

    def __init__(self, rate: float, burst: float, unanswered: int, longest_refusal: float) -> None:
        self.rate: Final = rate
        """Debt that drains in a second."""
        self.burst: Final = burst
        """Debt that a newcomer must not lift it over."""
        self.open: Final = unanswered
        """Connections at a time of which nothing came yet."""
        self.most: Final = burst - 1 + rate * longest_refusal
        """No debt grows over this: so all are let in again in time."""


class Account:
    """What one source owes."""

    __slots__ = ("_debt", "_drained", "_level", "open")

    def __init__(self, level: Level, now: float) -> None:
        self._level: Final = level
        self._debt = 0.0
        self._drained = now
        self.open = 0
        """Connections of which nothing came yet."""

    def is_full(self, now: float) -> bool:
        """Whether newcomers are refused."""
        level = self._level
        if self.open >= level.open:
            return True
        if self._debt + 1.0 <= level.burst:
            return False  # and less by now
        self._drain(now)
        return self._debt + 1.0 > level.burst

    def is_settled(self, now: float) -> bool:
        """Whether forgetting it changes nothing."""
        self._drain(now)
        return not self.open and not self._debt

    def enter(self, now: float) -> None:
        self._drain(now)
        self._debt += 1.0
        self.open += 1

    def leave(self, price: float, now: float) -> None:
        """A connection cost `price` in the end, and not 1."""
        self._drain(now)
        self._debt = max(0.0, min(self._debt + price - 1.0, self._level.most))
        self.open -= 1

    def _drain(self, now: float) -> None:
        self._debt = max(0.0, self._debt - (now - self._drained) * self._level.rate)
        self._drained = now


class Visit:
    """A connection that was let in, until it is known what came of it. That is said once."""

    __slots__ = ("_network", "_source")

    def __init__(self, source: Account, network: Account) -> None:
        """Kept here: what it says later concerns these, should a table have forgotten them."""
        self._source: Final = source
        self._network: Final = network

    def was_good(self, now: float) -> None:
        self.cost(0.0, now)

    def cost(self, price: float, now: float) -> None:
        """It came to nothing."""
        self._source.leave(price, now)
        self._network.leave(price, now)


class _Uncounted(Visit):
    __slots__ = ()

    def __init__(self) -> None:
        """Of nobody's accounts."""

    def cost(self, price: float, now: float) -> None:
        pass


UNCOUNTED: Final[Visit] = _Uncounted()
"""By a Unix socket, and behind a proxy until that has said for whom it speaks."""


class Admission:
    """The accounts of one kind of listeners."""

    __slots__ = ("_network", "_networks", "_room", "_source", "_sources")

    def __init__(self, limits: Limits) -> None:
        self._source: Final = Level(
            limits.source_rate,
            limits.source_burst,
            limits.unanswered_per_source,
            limits.longest_refusal,
        )
        self._network: Final = Level(
            limits.network_rate,
            limits.network_burst,
            limits.unanswered_per_network,
            limits.longest_refusal,
        )
        self._room: Final = limits.sources
        self._sources: Final[OrderedDict[bytes, Account]] = OrderedDict()
        self._networks: Final[OrderedDict[bytes, Account]] = OrderedDict()

    def __len__(self) -> int:
        """Sources and networks that are known."""
        return len(self._sources) + len(self._networks)

    def admit(self, peer: Peer, now: float) -> Visit | None:
        """None if it is refused: that costs it nothing, and the relay next to nothing."""
        key, wider = peer.source, peer.network
        source = self._sources.get(key)
        if source is not None and source.is_full(now):
            return None
        network = self._networks.get(wider)
        if network is not None and network.is_full(now):
            return None
        if source is None:
            source = self._added(self._sources, key, self._source, now)
        else:
            self._sources.move_to_end(key)
        if network is None:
            network = self._added(self._networks, wider, self._network, now)
        else:
            self._networks.move_to_end(wider)
        source.enter(now)
        network.enter(now)
        return Visit(source, network)

    def _added(
        self, table: OrderedDict[bytes, Account], key: bytes, level: Level, now: float
    ) -> Account:
        if len(table) >= self._room:
            _make_room(table, now)
        account = table[key] = Account(level, now)
        return account


def _make_room(table: OrderedDict[bytes, Account], now: float) -> None:
    """A settled account goes first, then the one that was let in longest ago."""
    for key in islice(table, LOOKED_AT):
        if table[key].is_settled(now):
            del table[key]
            return
    table.popitem(last=False)
