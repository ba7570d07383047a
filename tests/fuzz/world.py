"""pure. A relay's broker with all its ends and the network before them, and what must always hold.

The network is that of relay/switch.py without sockets: bytes wait while an end is not read, `out`
waits while its peer does not take it, and who has ended hears nothing more.
"""

import math

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME
from protocol.messages import FROM_RELAY, Attached, AuthRequest, AuthValidate, Challenge, Message
from relay.broker import Broker
from relay.ends import Fate, Link, LinkState, Validator, ValidatorState
from relay.limits import Limits
from relay.outcomes import ValidatorOutcome
from relay.peers import Peer
from relay.records import LinkEnded, LinkUp, Record, RequestEnded

RELAY_KEY = X25519PrivateKey.from_private_bytes(b"\x11" * 32)
AGENT_KEY = X25519PrivateKey.from_private_bytes(b"\x22" * 32)
UID, OTHER_UID, STRANGER_UID = 1000, 1001, 4711
TRUSTED = frozenset({UID, OTHER_UID})
SHARD = 7
TAGS = tuple(bytes((letter,)) * 16 for letter in b"abcd")
SIGN_ON_ID = b"sign-on1"
_INCOMPLETE = (ValidatorState.PREFACE, ValidatorState.AUTH_VALIDATE)
_HELD = (ValidatorState.UNMATCHED, ValidatorState.HELD)
LONG = 100_000.0
"""Seconds, after which nothing is left to wait for."""


def stream(*said: Message) -> bytes:
    return b"".join(encode_frame(messages.encode(each)) for each in said)


def opening(tag: bytes) -> bytes:
    """What a validator sends first."""
    return encode_preface(SHARD) + stream(AuthValidate(tag))


def hello() -> bytes:
    """What an agent sends first on a Unix socket, all of it."""
    return encode_preface(SHARD) + stream(AgentHandshake(None, None).hello())


def request(number: int, *tags: bytes, ttl: int = 60) -> bytes:
    return stream(AuthRequest(number, SIGN_ON_ID, ttl, tags))


class World:
    """No sockets, and a clock that is a number."""

    def __init__(self, limits: Limits) -> None:
        agents = {public_bytes(AGENT_KEY): "web1"}
        self.broker = Broker(limits, RELAY_KEY, agents, lambda: 0.0)
        self.limits = limits
        self.at_a_time: dict[Link | Validator, int] = {}
        """Bytes that arrive in one piece; all that there are, for who is not in here."""
        self.now = 1000.0
        self.ends: list[Link | Validator] = []
        self.records: list[Record] = []
        self.sent: dict[Link | Validator, bytearray] = {}
        """What its peer has got from the relay."""
        self.slow: set[Link | Validator] = set()
        """Whose peers take nothing."""
        self._arrived: dict[Link | Validator, bytearray] = {}
        self._left: set[Link | Validator] = set()
        self._evicted: set[Validator] = set()
        self._there: set[Validator] = set()
        """Validators that were open when it was looked last."""
        self._stopped = False

    # ---- what happens ----------------------------------------------------------------------------

    def link(self, uid: int | None) -> Link:
        """None comes by TCP."""
        peer = Peer(bytes((192, 0, 2, 1)), 999) if uid is None else uid
        link = self.broker.link_opened(peer, TRUSTED, self.now)
        assert link is not None
        self._there_is(link)
        return link

    def agent(self, uid: int = UID) -> Link:
        """An attached link."""
        link = self.link(uid)
        self.feed(link, hello())
        return link

    def validator(self) -> Validator:
        peer = Peer(bytes((198, 51, 100, 7)), len(self.ends))
        validator = self.broker.validator_opened(peer, self.now)
        assert validator is not None
        self._there_is(validator)
        return validator

    def _there_is(self, end: Link | Validator) -> None:
        self.ends.append(end)
        self.sent[end] = bytearray()
        self._arrived[end] = bytearray()
        self.settle()

    def feed(self, end: Link | Validator, data: bytes) -> None:
        self._arrived[end] += data
        self.settle()

    def leave(self, end: Link | Validator) -> None:
        self._left.add(end)
        if end.fate is not Fate.OPEN:
            return
        if isinstance(end, Link):
            self.broker.link_gone(end, self.now)
        else:
            self.broker.validator_gone(end, self.now)
        self.settle()

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
        while self._deliver() or self.broker.touched:
            touched = set(self.broker.touched)
            self.broker.touched.clear()
            for end in self.ends:
                if end in touched:
                    self._flush(end)
        self.records += self.broker.records
        self.broker.records.clear()
        self.check()

    def _deliver(self) -> bool:
        moved = False
        for end in self.ends:
            arrived = self._arrived[end]
            while arrived and end.fate is Fate.OPEN and (isinstance(end, Link) or end.reading):
                length = self.at_a_time.get(end, len(arrived))
                piece = bytes(arrived[:length])
                del arrived[:length]
                moved = True
                if isinstance(end, Link):
                    self.broker.link_bytes(end, piece, self.now)
                else:
                    self.broker.validator_bytes(end, piece, self.now)
        return moved

    def _flush(self, end: Link | Validator) -> None:
        if end.out and end.fate is not Fate.RESET and end not in self.slow:
            self.sent[end] += end.out
            end.out.clear()
        if end.fate is Fate.OPEN:
            if end.out:
                self.broker.blocked(end, self.now)
            else:
                self.broker.unblocked(end)

    # ---- what must always hold -------------------------------------------------------------------

    def check(self) -> None:
        broker, limits = self.broker, self.limits
        links = [end for end in self.ends if isinstance(end, Link)]
        validators = [end for end in self.ends if isinstance(end, Validator)]
        there = [link for link in links if link.state is not LinkState.ENDED]
        paired = [v for v in validators if v.transaction is not None]
        requests = [request for link in there for request in link.requests.values()]
        assert len(broker.links) == len(there) <= limits.links
        assert len(broker.transactions) == len(paired) <= limits.transactions
        assert len(broker.requests) == len(requests) <= limits.requests
        incomplete = [v for v in validators if v.state in _INCOMPLETE]
        held = [v for v in validators if v.state in _HELD]
        assert broker.door.incomplete == len(incomplete) <= limits.incomplete
        assert broker.door.held == len(held) <= limits.held
        self._there.update(v for v in validators if v.fate is Fate.OPEN)
        assert sum(r.transaction is not None for r in requests) == len(paired)
        for link in links:
            ended = link.state is LinkState.ENDED
            assert (link.fate is not Fate.OPEN) == ended
            assert not (ended and link.requests)
            assert link.state is LinkState.UP or not link.requests
            assert len(link.requests) <= limits.requests_per_agent
            assert all(r.link is link and r.number == n for n, r in link.requests.items())
        tags = [tag for request in requests for tag in request.tags]
        assert len(tags) == len(set(tags))
        for validator in validators:
            self._check_validator(validator)
        self._there = {v for v in validators if v.fate is Fate.OPEN}

    def _check_validator(self, validator: Validator) -> None:
        ended = validator.state is ValidatorState.ENDED
        assert (validator.fate is not Fate.OPEN) == ended
        assert (validator.state is ValidatorState.PAIRED) == (validator.transaction is not None)
        if validator.transaction is not None:
            transaction = validator.transaction
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
            if self.now < validator.release and validator not in self._evicted:
                incomplete = validator.outcome is ValidatorOutcome.SILENT and not validator.tag
                most = self.limits.incomplete if incomplete else self.limits.held
                assert len(self._there) > most, "nobody could have pressed it out"
                self._evicted.add(validator)

    def finish(self) -> None:
        """Everybody goes, and nothing is left."""
        for end in self.ends:
            self.leave(end)
        self.wait(LONG)
        broker = self.broker
        assert not len(broker.links) + len(broker.requests) + len(broker.transactions)
        assert not broker.door.incomplete + broker.door.held
        assert broker.next_deadline() == math.inf
        links = [end for end in self.ends if isinstance(end, Link)]
        kinds = [type(record) for record in self.records]
        assert kinds.count(LinkEnded) == len(links)
        ups = [end for end in links if any(isinstance(m, Attached) for m in self.received(end))]
        assert kinds.count(LinkUp) >= len(ups)
        queued = sum(type(m) is messages.Queued for end in links for m in self.received(end))
        assert kinds.count(RequestEnded) >= queued

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
