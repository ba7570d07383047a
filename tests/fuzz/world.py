"""pure. A relay's broker with all its ends and the network before them, and what must always hold.

The network is that of relay/switch.py without sockets: bytes wait while an end is not read, `out`
waits while its peer does not take it, and who has ended hears nothing more.
"""

import functools
import math
from ipaddress import ip_network

from protocol import messages
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME
from protocol.messages import (
    FROM_RELAY,
    Attached,
    AuthRequest,
    AuthValidate,
    Challenge,
    Message,
    Queued,
)
from relay.broker import Broker
from relay.ends import Fate, Link, LinkState, Validator, ValidatorState
from relay.limits import Limits
from relay.outcomes import ValidatorOutcome
from relay.peers import Peer
from relay.records import LinkEnded, LinkUp, Record, Repeated, RequestEnded
from tests.fuzz.curves import private

RELAY_KEY, AGENT_KEY = private(b"\x11" * 32), private(b"\x22" * 32)
AGENTS = {public_bytes(AGENT_KEY): "web1"}
UID, OTHER_UID, STRANGER_UID = 1000, 1001, 4711
TRUSTED = frozenset({UID, OTHER_UID})
SHARD = 7
TAGS = tuple(bytes((letter,)) * 16 for letter in b"abcd")
SIGN_ON_ID = b"sign-on1"
PROXY = bytes((198, 51, 100, 7))
"""The address that all strangers come from, and behind a listener's proxy that of the proxy."""
PROXIES = (ip_network("198.51.100.0/24"),)
_INCOMPLETE = (ValidatorState.PREFACE, ValidatorState.AUTH_VALIDATE)
_PAIRED, _ENDED = ValidatorState.PAIRED, ValidatorState.ENDED
_LINK_ENDED = LinkState.ENDED
OPEN = Fate.OPEN
LONG = 100_000.0
"""Seconds, after which nothing is left to wait for."""


def stream(*said: Message) -> bytes:
    return b"".join(encode_frame(messages.encode(each)) for each in said)


@functools.cache
def opening(tag: bytes) -> bytes:
    """What a validator sends first."""
    return encode_preface(SHARD) + stream(AuthValidate(tag))


@functools.cache
def hello() -> bytes:
    """What an agent sends first on a Unix socket, all of it."""
    return encode_preface(SHARD) + stream(AgentHandshake(None, None).hello())


@functools.cache
def request(number: int, *tags: bytes, ttl: int = 60) -> bytes:
    return stream(AuthRequest(number, SIGN_ON_ID, ttl, tags))


class World:
    """No sockets, and a clock that is a number."""

    def __init__(self, limits: Limits) -> None:
        self.broker = Broker(limits, RELAY_KEY, AGENTS, lambda: 0.0)
        self.limits = limits
        self.pieces: dict[Link | Validator, list[int]] = {}
        """How many bytes arrive at a time; all that there are, when this is used up."""
        self.now = 1000.0
        self.ends: list[Link | Validator] = []
        self.records: list[Record] = []
        self.sent: dict[Link | Validator, bytearray] = {}
        """What its peer has got from the relay."""
        self.slow: set[Link | Validator] = set()
        """Whose peers take nothing."""
        self._arrived: dict[Link | Validator, bytes] = {}
        """What waits to be read, first who has waited longest."""
        self._left: set[Link | Validator] = set()
        self._there: list[Link | Validator] = []
        """Who was open when it was looked last, and who came since."""
        self._came = False
        """Whether anybody came since."""
        self._stopped = False

    # ---- what happens ----------------------------------------------------------------------------

    def link(self, uid: int | None, said: bytes = b"", *, proxied: bool = False) -> Link:
        """None comes by TCP, `proxied` by way of one of the listener's proxies."""
        peer = Peer(PROXY, 999) if uid is None else uid
        proxies = PROXIES if proxied else ()
        link = self.broker.link_opened(peer, TRUSTED, self.now, proxies)
        assert link is not None
        self._there_is(link, said)
        return link

    def agent(self, *requests: bytes, uid: int = UID) -> Link:
        """An attached link."""
        return self.link(uid, hello() + b"".join(requests))

    def validator(self, said: bytes = b"", *, proxied: bool = False) -> Validator:
        """`proxied`: one of a listener's proxies connects, and has yet to say for whom."""
        peer = Peer(PROXY, len(self.ends))
        validator = self.broker.validator_opened(peer, self.now, PROXIES if proxied else ())
        assert validator is not None
        self._there_is(validator, said)
        return validator

    def _there_is(self, end: Link | Validator, said: bytes) -> None:
        self.ends.append(end)
        self._there.append(end)
        self._came = True
        self.sent[end] = bytearray()
        if said:
            self._arrived[end] = said
        self.settle()

    def feed(self, end: Link | Validator, data: bytes) -> None:
        self._arrived[end] = self._arrived.get(end, b"") + data
        self.settle()

    def leave(self, end: Link | Validator) -> None:
        self._leave(end)
        self.settle()

    def _leave(self, end: Link | Validator) -> None:
        self._left.add(end)
        if end.fate is OPEN:
            if isinstance(end, Link):
                self.broker.link_gone(end, self.now)
            else:
                self.broker.validator_gone(end, self.now)

    def wait(self, seconds: float) -> None:
        """Time passes, and the broker is woken whenever it asked for it."""
        until = self.now + seconds
        while (due := self.broker.next_deadline()) <= until:
            self.now = max(self.now, due)
            self.broker.tick(self.now)
            assert self.broker.next_deadline() > self.now, "it would spin"
            if self.broker.touched or self.broker.records:
                self.settle()
        self.now = until
        self.broker.tick(self.now)
        self.settle()

    def stop(self) -> None:
        self._stopped = True
        self.broker.stop(self.now)
        self.settle()

    # ---- the switch ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Until nothing moves any more."""
        records = self.broker.records
        moved = False
        while (self._arrived and self._deliver()) or self.broker.touched:
            moved = True
            now = {*self.broker.touched_links(), *self.broker.touched_validators()}
            for end in self._there:
                if end in now:
                    self._flush(end)
        if moved or records or self._came:
            self._came = False
            self.records += records
            records.clear()
            self.check()

    def _deliver(self) -> bool:
        moved = False
        for end in list(self._arrived):
            while end in self._arrived and (isinstance(end, Link) or end.reading):
                arrived = self._arrived.pop(end)
                if end.fate is not OPEN:
                    break
                lengths = self.pieces.get(end)
                length = lengths.pop() if lengths else len(arrived)
                if length < len(arrived):
                    self._arrived[end] = arrived[length:]
                moved = True
                if isinstance(end, Link):
                    self.broker.link_bytes(end, arrived[:length], self.now)
                else:
                    self.broker.validator_bytes(end, arrived[:length], self.now)
        return moved

    def _flush(self, end: Link | Validator) -> None:
        if end.out and end.fate is not Fate.RESET and end not in self.slow:
            self.sent[end] += bytes(end.out)
            end.out.clear()
        if end.fate is OPEN:
            if end.out:
                self.broker.blocked(end, self.now)
            else:
                self.broker.unblocked(end)

    # ---- what must always hold -------------------------------------------------------------------

    def check(self) -> None:
        """Looks at who is there. Who has ended is looked at once more, and then at the very end."""
        links = requests = running = incomplete = held = paired = 0
        tags: list[bytes] = []
        ended: set[Link | Validator] = set()
        for end in self._there:
            if end.fate is not OPEN:
                ended.add(end)
            if isinstance(end, Link):
                self._check_link(end)
                links += end.state is not _LINK_ENDED
                for request in end.requests.values():
                    requests += 1
                    running += request.transaction is not None
                    tags += request.tags
            else:
                self._check_validator(end)
                if end.transaction is not None:
                    paired += 1
                elif end.state in _INCOMPLETE:
                    incomplete += 1
                elif end.state is not _ENDED:
                    held += 1
        broker, limits = self.broker, self.limits
        assert len(broker.links) == links <= limits.links
        assert len(broker.transactions) == paired == running <= limits.transactions
        assert len(broker.requests) == requests <= limits.requests
        assert broker.door.incomplete == incomplete <= limits.incomplete
        assert broker.door.held == held <= limits.held
        assert len(tags) == len(set(tags))
        if ended:
            self._there = [end for end in self._there if end not in ended]

    def _check_link(self, link: Link) -> None:
        if link.state is _LINK_ENDED:
            assert link.fate is not OPEN
            assert not link.requests
            return
        assert link.fate is OPEN
        if link.requests:
            assert link.state is LinkState.UP
            assert len(link.requests) <= self.limits.requests_per_agent
            for number, request in link.requests.items():
                assert request.link is link
                assert request.number == number

    def _check_validator(self, validator: Validator) -> None:
        ended = validator.state is _ENDED
        assert (validator.fate is not OPEN) == ended
        transaction = validator.transaction
        assert (validator.state is _PAIRED) == (transaction is not None)
        if transaction is not None:
            assert transaction.validator is validator
            assert transaction.request.transaction is transaction
            assert transaction.request.link.requests[transaction.request.number]
        if validator.answered:
            return
        # Who was no good learns nothing, and that always at the same moment.
        assert not self.sent[validator]
        assert not validator.out
        if ended and validator not in self._left and not self._stopped:
            assert validator.fate is Fate.RESET
            if self.now < validator.release:
                incomplete = validator.outcome is ValidatorOutcome.SILENT and not validator.tag
                most = self.limits.incomplete if incomplete else self.limits.held
                there = sum(isinstance(end, Validator) for end in self._there)
                assert there > most, "nobody could have pressed it out"

    def finish(self) -> None:
        """Everybody goes, and nothing is left."""
        for end in self.ends:
            self._leave(end)
        self.settle()
        self.wait(LONG)
        self._there = list(self.ends)
        self.check()
        broker = self.broker
        assert not len(broker.links) + len(broker.requests) + len(broker.transactions)
        assert not broker.door.incomplete + broker.door.held
        assert broker.next_deadline() == math.inf
        links = [end for end in self.ends if isinstance(end, Link)]
        kinds = [type(record) for record in self.records]
        counted = [r for r in self.records if isinstance(r, Repeated) and r.what == "link ended"]
        assert kinds.count(LinkEnded) + sum(each.count for each in counted) == len(links)
        said = [type(message) for link in links for message in self.received(link)]
        assert kinds.count(LinkUp) >= said.count(Attached)
        assert kinds.count(RequestEnded) >= said.count(Queued)

    # ---- what the peers have got -----------------------------------------------------------------

    def received(self, link: Link) -> list[Message]:
        """Whole messages; a link that ended may have cut the last one off."""
        return [messages.decode(body, FROM_RELAY) for body in _bodies(self.sent[link])]

    def frames(self, validator: Validator) -> list[bytes]:
        return list(_bodies(self.sent[validator], MAX_FRAME))

    def outcome(self) -> object:
        """All that anybody outside has seen, times and random numbers left out."""
        said = []
        for end in self.ends:
            if isinstance(end, Link):
                heard: list[object] = [
                    type(message) if isinstance(message, Challenge) else message
                    for message in self.received(end)
                ]
            else:
                heard = list(self.frames(end))
            said.append((end.fate, heard))
        return said, self.records


def _bodies(sent: bytearray, most: int = MAX_LINK_FRAME) -> list[bytes]:
    reader = FrameReader(most)
    reader.feed(bytes(sent))
    found = []
    while (body := reader.next_frame()) is not None:
        found.append(body)
    return found
