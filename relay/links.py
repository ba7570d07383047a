"""pure. Agents' links: set-up, upkeep, the end.

Until a link is attached its peer is a stranger: short frames, little time, and when there are too
many links, the oldest stranger goes and not the agent that comes next.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages
from protocol.agent_auth import RelayHandshake
from protocol.data_messages import DATA, read_data
from protocol.errors import ProtocolError
from protocol.frames import decode_preface
from protocol.limits import LINK_SILENCE, PING_INTERVAL, PREFACE_LENGTH
from protocol.messages import (
    FROM_AGENT,
    Attach,
    Attached,
    Drain,
    Hello,
    Message,
    Ping,
    Pong,
    Reject,
)
from protocol.request_messages import AUTH_REQUEST, CLOSE, read_auth_request, read_close
from relay.admission import UNCOUNTED, Admission
from relay.arrivals import arrive, has_only_looked
from relay.effects import Effects
from relay.ends import Arrival, Fate, Link, LinkState
from relay.limits import Limits
from relay.moments import between
from relay.outcomes import LinkOutcome, RequestOutcome
from relay.peers import Peer
from relay.proxies import Proxies, listed
from relay.records import LinkEnded, LinkUp
from relay.requests import Requests


class Links:
    """All links of one relay."""

    def __init__(
        self,
        limits: Limits,
        effects: Effects,
        requests: Requests,
        key: X25519PrivateKey,
        agents: Mapping[bytes, str],
    ) -> None:
        """`key` is the relay's link key; `agents` maps agents' public ones (32 bytes) to names."""
        self._limits = limits
        self._effects: Final = effects
        self._requests: Final = requests
        self._key = key
        self._agents = agents
        self._admission = Admission(limits)
        self.guests: Final[dict[bytes, str]] = {}
        """Agents that may attach for a while, as `agents` has them."""
        self._links: Final[dict[Link, None]] = {}
        self._setting_up: Final[OrderedDict[Link, None]] = OrderedDict()
        self._on_message: Final[Mapping[type[Message], Callable[..., None]]] = {
            Reject: requests.reject,
            Ping: self._ping,
            Pong: self._pong,
        }

    def __len__(self) -> int:
        """Those being set up included."""
        return len(self._links)

    @property
    def admission(self) -> Admission:
        return self._admission

    @property
    def attached(self) -> int:
        """How many are."""
        return len(self._links) - len(self._setting_up)

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links)

    def adopt(
        self,
        limits: Limits,
        key: X25519PrivateKey,
        agents: Mapping[bytes, str],
        trusted: frozenset[int],
        now: float,
    ) -> None:
        """Go by another configuration: who may no longer attach goes, by key or, if none of its
        listeners trusts it any more, by uid."""
        if limits != self._limits:
            self._admission = Admission(limits)
        self._limits, self._key, self._agents = limits, key, agents
        for link in list(self._links):
            by_key = not link.key or agents.get(link.key) == link.claimed
            by_uid = not isinstance(link.peer, int) or link.peer in trusted
            if not (by_key and by_uid):
                self.end(link, LinkOutcome.REFUSED, now)

    def restore(self, link: Link) -> None:
        """One that was attached in another process."""
        self._links[link] = None

    def end_strangers(self, now: float) -> None:
        """Those that are not attached."""
        for link in list(self._setting_up):
            self.end(link, LinkOutcome.DRAINED, now)

    def open(
        self, peer: Peer | int, trusted: frozenset[int], now: float, proxies: Proxies
    ) -> Link | None:
        """None when it is refused: its source is, or it is none of `proxies` if there are any."""
        arrival, visit = Arrival.KNOWN, UNCOUNTED
        if isinstance(peer, Peer) and not proxies:
            admitted = self._admission.admit(peer, now)
            if admitted is None:
                return self._refused(peer, LinkOutcome.SOURCE_REFUSED, now)
            visit = admitted
        elif isinstance(peer, Peer):
            arrival = Arrival.HEADER
            if not listed(peer, proxies):
                return self._refused(peer, LinkOutcome.NOT_LISTED, now)
        link = Link(peer, arrival, visit, now)
        self._links[link] = None
        self._setting_up[link] = None
        self._effects.arm(link, now + self._limits.link_setup)
        if isinstance(peer, int) and peer not in trusted:
            self.end(link, LinkOutcome.REFUSED, now)
        elif len(self._links) > self._limits.links:
            self.end(next(iter(self._setting_up)), LinkOutcome.OVERLOADED, now)
        return link

    def _refused(self, peer: Peer, outcome: LinkOutcome, now: float) -> Link | None:
        if self._effects.floods.is_first(outcome, peer, now):
            self._effects.records.append(LinkEnded(outcome, peer.network_text, "", 0.0, 0))
        return None

    def read(self, link: Link, data: bytes, now: float) -> None:
        if link.state is LinkState.ENDED:
            return
        link.heard = now
        link.reader.feed(data)
        try:
            self._read(link, now)
        except ProtocolError:
            self.end(link, LinkOutcome.MALFORMED, now)

    def _read(self, link: Link, now: float) -> None:
        reader = link.reader
        if link.arrival is not Arrival.KNOWN and not self._has_arrived(link, now):
            return
        if link.state is LinkState.PREFACE:
            preface = reader.take(PREFACE_LENGTH)
            if preface is None:
                return
            decode_preface(preface)
            link.state = LinkState.HELLO
        while link.state is not LinkState.ENDED and (body := reader.next_frame()) is not None:
            if link.state is LinkState.UP:
                self._obey(link, body, now)
            else:
                self._set_up(link, messages.decode(body, FROM_AGENT), now)

    def _obey(self, link: Link, body: bytes, now: float) -> None:
        """A message of an agent that is attached. Every canonical one has its number there."""
        kind = body[1] if len(body) > 1 else -1
        if kind == DATA:
            number, framed = read_data(body)
            self._requests.data(link, number, framed, now)
        elif kind == AUTH_REQUEST:
            number, sign_on_id, ttl, tags = read_auth_request(body)
            self._requests.queue(link, number, sign_on_id, ttl, tags, now)
        elif kind == CLOSE:
            number, reason = read_close(body)
            self._requests.close(link, number, reason, now)
        else:
            message = messages.decode(body, FROM_AGENT)
            handle = self._on_message.get(type(message))
            if handle is None:
                raise ProtocolError("message after the link's set-up")
            handle(link, message, now)

    def _has_arrived(self, link: Link, now: float) -> bool:
        """One behind a proxy."""
        proxy = link.peer
        arrival = arrive(link, self._admission, now)
        link.of_proxy = arrival is Arrival.KNOWN and link.peer is proxy
        if arrival is Arrival.REFUSED:
            self.end(link, LinkOutcome.SOURCE_REFUSED, now)
        return arrival is Arrival.KNOWN

    def _set_up(self, link: Link, message: Message, now: float) -> None:
        match link.state, message:
            case LinkState.HELLO, Hello() if isinstance(link.peer, int):
                self._attached(link, link.source, now)
            case LinkState.HELLO, Hello():
                name = self._agents.get(message.link_key) or self.guests.get(message.link_key)
                link.claimed = name or ""
                link.key = message.link_key if name is not None else b""
                link.handshake = RelayHandshake(self._key)
                link.state = LinkState.ATTACH
                self._effects.send(link, link.handshake.hello(message, name is not None))
            case LinkState.ATTACH, Attach():
                if link.handshake is not None and link.handshake.attach(message):
                    self._attached(link, link.claimed, now)
                else:
                    self.end(link, LinkOutcome.REFUSED, now)
            case _:
                raise ProtocolError("message out of place in the link's set-up")

    def _attached(self, link: Link, agent: str, now: float) -> None:
        link.attached(agent)
        del self._setting_up[link]
        link.visit.was_good(now)
        self._effects.arm(link, now + PING_INTERVAL)
        limits = self._limits
        self._effects.send(link, Attached(limits.requests_per_agent, limits.longest_ttl))
        if self._requests.draining:
            self._effects.send(link, Drain())
        self._effects.records.append(LinkUp(link.source, agent))

    def _ping(self, link: Link, _ping: Ping, _now: float) -> None:
        self._effects.send(link, Pong())

    def _pong(self, _link: Link, _pong: Pong, _now: float) -> None:
        """That it was heard is all there is to it."""

    def blocked(self, link: Link, now: float) -> None:
        """Its socket takes no more of `out`."""
        if len(link.out) > self._limits.link_buffer:
            self.end(link, LinkOutcome.OVERFLOW, now)

    def look(self, link: Link, now: float) -> None:
        """Its moment has come: end it if it is over time, else look again later."""
        if link.state is not LinkState.UP:
            self.end(link, LinkOutcome.SLOW_SETUP, now)
        elif now >= link.heard + LINK_SILENCE:
            self.end(link, LinkOutcome.SILENT, now)
        elif now >= link.heard + PING_INTERVAL:
            self._effects.send(link, Ping())
            self._effects.arm(link, min(now + PING_INTERVAL, link.heard + LINK_SILENCE))
        else:
            self._effects.arm(link, link.heard + PING_INTERVAL)

    def gone(self, link: Link, now: float) -> None:
        """Its other end closed it. A proxy that was challenged knows that the relay works: where
        the service manager has the listener, that it is accepted tells it nothing."""
        challenged = link.of_proxy and link.state is LinkState.ATTACH
        only_looked = challenged or has_only_looked(link)
        self.end(link, LinkOutcome.CHECKED if only_looked else LinkOutcome.CLOSED, now)

    def end(self, link: Link, outcome: LinkOutcome, now: float) -> None:
        """The end of a link and of all its requests."""
        if link.state is LinkState.ENDED:
            return
        link.state = LinkState.ENDED
        link.fate = Fate.CLOSE if outcome is LinkOutcome.DRAINED else Fate.RESET
        del self._links[link]
        if link in self._setting_up:
            del self._setting_up[link]
            link.visit.cost(self._price(outcome), now)
        self._effects.deadlines.remove(link, link.deadline)
        self._effects.touch(link)
        requests = list(link.requests.values())
        for request in requests:
            self._requests.end(request, RequestOutcome.AGENT_GONE, now)
        looked = outcome is LinkOutcome.CHECKED
        if link.agent or looked or self._effects.floods.is_first(outcome, link.peer, now):
            level = "debug" if looked else "info"
            lasted = between(link.opened, now)
            record = LinkEnded(outcome, link.source, link.agent, lasted, len(requests), level=level)
            self._effects.records.append(record)

    def _price(self, outcome: LinkOutcome) -> float:
        """Of one that was never attached."""
        if outcome is LinkOutcome.CHECKED:
            return 0.0
        if outcome is LinkOutcome.OVERLOADED:
            return 1.0  # others were too many
        if outcome in (LinkOutcome.MALFORMED, LinkOutcome.REFUSED):
            return self._limits.malformed_price
        return self._limits.silent_price

    def drain(self) -> None:
        """Say to every agent that no new requests are taken."""
        for link in self._links:
            if link.state is LinkState.UP:
                self._effects.send(link, Drain())

    def stop(self, now: float) -> None:
        for link in list(self._links):
            for request in list(link.requests.values()):
                self._requests.end(request, RequestOutcome.DRAINED, now)
            self.end(link, LinkOutcome.DRAINED, now)
