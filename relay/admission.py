"""pure. Who is let in, by source: before anything is allocated, and by what came of those before.

Every source, and every network of sources, has an account. A connection costs 1, which is given
back when it turns out good; one that came to nothing costs its price instead. The debt drains as
time passes: that is the rate, and the decay of penalties. Over the burst newcomers are refused.

While more strangers come, from however many sources, than can be looked at one by one, there is a
crowd. Then a source that owes anything is refused, and one that owes nothing still gets in: so who
comes back waits, and an honest newcomer does not.

Must not know what a connection is for, nor what is said on it. Who counts when it is refused learns
the prices that it paid, so a price must tell it only what it did itself.
"""

from collections import OrderedDict
from itertools import islice
from typing import Final

from relay.buckets import Bucket, Size
from relay.limits import Limits
from relay.peers import Peer

LOOKED_AT: Final = 8
"""Accounts, least recently seen first, among which a settled one is looked for to make room."""


class Account(Bucket):
    """What one source owes."""

    __slots__ = ("_most_open", "_open")

    def __init__(self, size: Size, most_open: int, now: float) -> None:
        super().__init__(size, now)
        self._most_open: Final = most_open
        self._open = 0
        """Connections of which nothing came yet."""

    def refuses(self, now: float) -> bool:
        """Whether a newcomer is one too many."""
        return self._open >= self._most_open or self.is_full(now)

    def is_settled(self, now: float) -> bool:
        """Whether forgetting it changes nothing."""
        return not self._open and self.is_empty(now)

    def enter(self, now: float) -> None:
        self._open += 1
        self.add(1.0, now)

    def leave(self, price: float, now: float) -> None:
        """A connection cost `price` in the end, and not 1."""
        self._open -= 1
        self.add(price - 1.0, now)


class Accounts:
    """Those of one level: of sources, or of networks."""

    __slots__ = ("_accounts", "_most_open", "_room", "_size")

    def __init__(
        self, rate: float, burst: float, most_open: int, longest_refusal: float, room: int
    ) -> None:
        """`room` is for so many accounts."""
        self._size: Final = Size(rate, burst, burst - 1 + rate * longest_refusal)
        self._most_open: Final = most_open
        self._room: Final = room
        self._accounts: Final[OrderedDict[bytes, Account]] = OrderedDict()
        """The one that was entered longest ago first."""

    def __len__(self) -> int:
        return len(self._accounts)

    def find(self, key: bytes) -> Account | None:
        return self._accounts.get(key)

    def enter(self, key: bytes, account: Account | None, now: float) -> Account:
        """A connection is let in on the account that was found, or on a new one."""
        if account is None:
            if len(self._accounts) >= self._room:
                self._make_room(now)
            account = self._accounts[key] = Account(self._size, self._most_open, now)
        else:
            self._accounts.move_to_end(key)
        account.enter(now)
        return account

    def known(self) -> list[bytes]:
        """The keys of all: they alone, since pairs would set the collector of garbage to work."""
        return list(self._accounts)

    def _make_room(self, now: float) -> None:
        """A settled one goes first, then the one that was entered longest ago."""
        for key in islice(self._accounts, LOOKED_AT):
            if self._accounts[key].is_settled(now):
                del self._accounts[key]
                return
        self._accounts.popitem(last=False)


class Visit:
    """A connection that was let in, until it is known what came of it. That is said once."""

    __slots__ = ("_crowd", "_network", "_source")

    def __init__(self, crowd: Bucket, source: Account, network: Account) -> None:
        """Kept here: what it says later concerns these, should a table have forgotten them."""
        self._crowd: Final = crowd
        self._source: Final = source
        self._network: Final = network

    def was_good(self, now: float) -> None:
        """It was no stranger."""
        self._crowd.add(-1.0, now)
        self.cost(0.0, now)

    def cost(self, price: float, now: float) -> None:
        """It came to nothing."""
        self._source.leave(price, now)
        self._network.leave(price, now)


class _Uncounted(Visit):
    __slots__ = ()

    def __init__(self) -> None:
        """Of nobody's accounts."""

    def was_good(self, now: float) -> None:
        pass

    def cost(self, price: float, now: float) -> None:
        pass


UNCOUNTED: Final[Visit] = _Uncounted()
"""By a Unix socket, and behind a proxy until that has said for whom it speaks."""


class Admission:
    """The accounts of one kind of listeners."""

    __slots__ = ("_crowd", "_networks", "_sources")

    def __init__(self, limits: Limits) -> None:
        burst = limits.crowd_burst
        self._crowd: Final = Bucket(Size(limits.crowd_rate, burst, burst), 0.0)
        """Those that came to nothing, or not yet to anything. It never overflows by those whom it
        cannot keep out: it is over as soon as they stay away."""
        self._sources: Final = Accounts(
            limits.source_rate,
            limits.source_burst,
            limits.unanswered_per_source,
            limits.longest_refusal,
            limits.sources,
        )
        self._networks: Final = Accounts(
            limits.network_rate,
            limits.network_burst,
            limits.unanswered_per_network,
            limits.longest_refusal,
            limits.sources,
        )

    def __len__(self) -> int:
        """Sources and networks that are known."""
        return len(self._sources) + len(self._networks)

    @property
    def sources(self) -> Accounts:
        return self._sources

    @property
    def networks(self) -> Accounts:
        return self._networks

    def is_crowded(self, now: float) -> bool:
        """Whether who owes anything is refused."""
        return self._crowd.is_full(now)

    def admit(self, peer: Peer, now: float) -> Visit | None:
        """None if it is refused: that costs it nothing, and the relay next to nothing."""
        key = peer.source
        source = self._sources.find(key)
        if source is not None and (
            source.refuses(now) or (self._crowd.is_full(now) and not source.is_settled(now))
        ):
            return None
        wider = peer.network
        network = self._networks.find(wider)
        if network is not None and network.refuses(now):
            return None
        self._crowd.add(1.0, now)
        source = self._sources.enter(key, source, now)
        return Visit(self._crowd, source, self._networks.enter(wider, network, now))
