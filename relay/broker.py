"""pure. The demultiplexer: a request, a validator, bytes, an EOF or a deadline arrives, and it
says what happens.

Every method is one synchronous step, so pairing is atomic without a lock. Times are seconds of one
steady clock and are passed in. What is to be done to sockets is left on the ends themselves (`out`,
`fate`) and they are touched; what is to be logged is left in `records`.

Its parts know one another in one direction: links, requests, transactions, the door. What a step
leaves behind is in one place for all: the effects.
"""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from relay.door import Door
from relay.effects import Effects
from relay.ends import Link, Validator, ValidatorState
from relay.floods import Kind
from relay.limits import Limits
from relay.links import Links
from relay.outcomes import RequestOutcome
from relay.peers import Peer
from relay.proxies import Proxies
from relay.records import NoDescriptor
from relay.requests import Requests
from relay.transactions import Transactions


class Broker:
    """All requests, transactions and connections of one relay."""

    def __init__(
        self,
        limits: Limits,
        key: X25519PrivateKey,
        agents: Mapping[bytes, str],
        jitter: Callable[[], float],
    ) -> None:
        """`agents` maps link public keys (32 bytes) to names. `jitter` gives numbers of 0 to 1."""
        self.limits = limits
        effects = Effects()
        self.records: Final = effects.records
        self.door: Final = Door(limits, effects, jitter)
        self.transactions: Final = Transactions(limits, effects, self.door)
        self.requests: Final = Requests(limits, effects, self.door, self.transactions)
        self.links: Final = Links(limits, effects, self.requests, key, agents)
        self._effects: Final = effects
        self._deadlines: Final = effects.deadlines
        self._floods: Final = effects.floods

    # ---- agents' links ---------------------------------------------------------------------------

    def link_opened(
        self, peer: Peer | int, trusted: frozenset[int], now: float, proxies: Proxies = ()
    ) -> Link | None:
        """`peer` is a uid on a Unix socket, where one of `trusted` may come; elsewhere a key must
        be proved. `proxies` are the listener's, if it has any. None: refused, reset it."""
        return self.links.open(peer, trusted, now, proxies)

    def link_bytes(self, link: Link, data: bytes, now: float) -> None:
        self.links.read(link, data, now)

    def link_gone(self, link: Link, now: float) -> None:
        """The agent closed its link, or the network did."""
        self.links.gone(link, now)

    # ---- validators ------------------------------------------------------------------------------

    def validator_opened(self, peer: Peer, now: float, proxies: Proxies = ()) -> Validator | None:
        """A connection has come to a listener for validators that has these proxies, if any.
        None: refused, reset it."""
        return self.door.open(peer, now, proxies)

    def validator_bytes(self, validator: Validator, data: bytes, now: float) -> None:
        transaction = validator.transaction
        if transaction is not None:
            validator.reader.feed(data)
            self.requests.forward(transaction, now)
        elif validator.reading:
            tag = self.door.read_tag(validator, data, now)
            if tag is not None:
                self.requests.match(validator, tag, now)

    def validator_gone(self, validator: Validator, now: float) -> None:
        """The validator closed its connection, or the network did."""
        if validator.transaction is not None:
            request = validator.transaction.request
            self.requests.end(request, RequestOutcome.VALIDATOR_GONE, now)
        else:
            self.door.gone(validator, now)

    # ---- both ------------------------------------------------------------------------------------

    def blocked(self, end: Link | Validator, now: float) -> None:
        """Its socket does not take all of `out` now."""
        if isinstance(end, Link):
            self.links.blocked(end, now)
        else:
            self.transactions.blocked(end, now)

    def unblocked(self, end: Link | Validator) -> None:
        """Its socket took the rest of `out`."""
        if isinstance(end, Validator):
            end.blocked_since = None

    def starved(self, connections: int, now: float) -> None:
        """No descriptor is left for another connection; so many are open."""
        if self._floods.is_first(None, None, now):
            self.records.append(NoDescriptor(connections=connections))

    def untold(self) -> dict[Kind, int]:
        """Strangers' ends that are counted, and in no record yet."""
        return self._floods.untold()

    # ---- what the steps have left ----------------------------------------------------------------

    @property
    def touched(self) -> bool:
        """Whether there is an end to look at."""
        return bool(self._effects.touched_links or self._effects.touched_validators)

    def touch(self, end: Link | Validator) -> None:
        """This one is to be looked at, too."""
        self._effects.touch(end)

    def touched_links(self) -> list[Link]:
        """Those to look at now, each once. From here on they may be touched anew."""
        links, self._effects.touched_links = self._effects.touched_links, []
        for link in links:
            link.touched = False
        return links

    def touched_validators(self) -> list[Validator]:
        """The same."""
        effects = self._effects
        validators, effects.touched_validators = effects.touched_validators, []
        for validator in validators:
            validator.touched = False
        return validators

    # ---- time ------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When to call `tick` again at the latest."""
        return min(self._deadlines.next(), self.requests.deadlines.next(), self._floods.next())

    def tick(self, now: float) -> None:
        """End what is over, look again later at what is not."""
        self.requests.expire(now)
        for end in self._deadlines.due(now):
            if isinstance(end, Link):
                self.links.look(end, now)
            elif end.transaction is not None:
                self.requests.look(end.transaction, now)
            else:
                self.door.look(end, now)
        self._floods.tell(now)

    # ---- another configuration -------------------------------------------------------------------

    def adopt(
        self,
        limits: Limits,
        key: X25519PrivateKey,
        agents: Mapping[bytes, str],
        trusted: frozenset[int],
        now: float,
    ) -> None:
        """Go by it from now on. `trusted` are the uids that any Unix listener lets attach."""
        self.limits = limits
        self.door.adopt(limits)
        self.transactions.adopt(limits)
        self.requests.adopt(limits)
        self.links.adopt(limits, key, agents, trusted, now)

    # ---- handed over to another process ----------------------------------------------------------

    def part(self, strangers: int, now: float) -> None:
        """Let go whom another process does not get: links that are not attached, and all but so
        many of the validators in no transaction. What was counted is told."""
        self.links.end_strangers(now)
        self.door.thin_out(strangers, now)
        self._floods.tell_all(now)

    def restore(self, end: Link | Validator) -> None:
        """An end that another process had; one in a transaction gets that by itself."""
        if isinstance(end, Link):
            self.links.restore(end)
        elif end.state is not ValidatorState.PAIRED:
            self.door.restore(end)
        self._deadlines.add(end, end.deadline)
        self.touch(end)

    # ---- stopping --------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no new requests, and say so to every agent."""
        self.requests.draining = True
        self.links.drain()

    @property
    def drained(self) -> bool:
        """Whether nothing is left that draining waits for."""
        return self.requests.draining and not self.transactions

    def stop(self, now: float) -> None:
        """End everything, now."""
        self.links.stop(now)
        self.door.stop(now)
        self._floods.tell_all(now)
