"""pure. How a relay stands now, read off its broker when somebody asks, at no cost before.

What grows with the relay is read in portions (`Sources`), so that whoever asks does not hold up the
data plane.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from relay.broker import Broker
from relay.ends import Link, LinkState
from relay.outcomes import LinkOutcome, ValidatorOutcome
from relay.peers import network_of, network_text
from relay.tally import Tally

PORTION: Final = 2048
"""Accounts looked at in one go: below a millisecond."""


class Figures(Struct, frozen=True):
    """Counts of now."""

    waiting: int
    """Requests that wait for a validator."""
    running: int
    """Transactions."""
    held: int
    """Validators that wait for their request, or for their reset."""
    incomplete: int
    """Validators that have not said yet what they want."""
    links: int
    """Of agents, attached."""
    setting_up: int
    """Links that are not attached yet."""


def figures(broker: Broker) -> Figures:
    running = len(broker.transactions)
    return Figures(
        len(broker.requests) - running,
        running,
        broker.door.held,
        broker.door.incomplete,
        broker.links.attached,
        len(broker.links) - broker.links.attached,
    )


class Ended(Struct, frozen=True):
    """How many ended so since the start, by outcome word; every word is there."""

    validators: dict[str, int]
    links: dict[str, int]
    no_descriptor: int


def strangers_ended(tally: Tally, broker: Broker) -> Ended:
    """Exact: with those that are counted and not told of yet."""
    untold = broker.untold()
    return Ended(
        {x.value: tally.validators[x.value] + untold.get(x, 0) for x in ValidatorOutcome},
        {x.value: tally.links[x.value] + untold.get(x, 0) for x in LinkOutcome},
        tally.no_descriptor + untold.get(None, 0),
    )


class AgentFigures(Struct, frozen=True):
    """One attached link. `since` is a moment of the broker's clock."""

    agent: str
    source: str
    since: float
    waiting: int
    running: int


def agent_figures(link: Link) -> AgentFigures | None:
    """None for one that is not attached."""
    if link.state is not LinkState.UP:
        return None
    running = sum(request.transaction is not None for request in link.requests.values())
    waiting = len(link.requests) - running
    return AgentFigures(link.agent, link.source, link.opened, waiting, running)


class Sources:
    """Who owes so much that newcomers of theirs are refused. Looked at portion by portion."""

    def __init__(self, broker: Broker) -> None:
        self.refused = 0
        """Sources under penalty."""
        self.by_network: Final[Counter[str]] = Counter()
        """How many of them are in each network."""
        self.networks = 0
        """Networks under penalty as a whole."""
        self._broker: Final = broker

    def count(self, now: float) -> Iterator[None]:
        """Counts, and yields after each portion."""
        for admission in (self._broker.door.admission, self._broker.links.admission):
            for place, key in enumerate(admission.sources.known(), start=1):
                account = admission.sources.find(key)
                if account is not None and account.refuses(now):
                    self.refused += 1
                    self.by_network[network_text(network_of(key))] += 1
                if not place % PORTION:
                    yield
            for place, key in enumerate(admission.networks.known(), start=1):
                account = admission.networks.find(key)
                self.networks += account is not None and account.refuses(now)
                if not place % PORTION:
                    yield
