"""The broker against an obvious slow model, over random histories.

The model keeps everything in lists, searches them, and knows the rules by heart: who waits, who
runs, who is held, in what order. Time goes in steps that never meet a deadline exactly, so that
order within one moment is nobody's business. After every step each observable thing is
compared; at the end everything is let run out, and nothing may be left anywhere.
"""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protocol.frames import encode_frame
from protocol.limits import MAX_REJECTS, MAX_TRANSACTION_FRAMES
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Message,
    Paired,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from relay.ends import Fate
from tests.relay.pure_relay import SIGN_ON_ID, UID, AgentEnd, PureRelay, ValidatorEnd, asking_for

HOLD = 5.25
LIFETIME = 50.5
STEP = 0.9

STEPS = 100_000
HISTORIES = 1500
LONGEST_HISTORY = 80

LIMITS: dict[str, Any] = {
    "links": 4,
    "requests": 3,
    "requests_per_agent": 2,
    "longest_ttl": 100,
    "request_rate": 1.7,
    "incomplete": 2,
    "source_rate": 0.37,
    "source_burst": 9,
    "network_rate": 0.53,
    "network_burst": 12,
    "unanswered_per_source": 4,
    "unanswered_per_network": 5,
    "silent_price": 3,
    "unmatched_price": 2,
    "malformed_price": 4,
    "longest_refusal": 15,
    "held": 3,
    "transactions": 2,
    "hold": HOLD,
    "lifetime": LIFETIME,
}


SOURCES = [bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), bytes((203, 0, 113, 1))]
NEARLY: Final = 0.1
"""Debts are paid within 10 ms of their moment; who is so near to a limit may be refused or not."""


@dataclass(eq=False)
class ModelAccount:
    """Every change of a debt that ever was, and the moment of it."""

    rate: float
    burst: float
    most_open: int
    changes: list[tuple[float, float]] = field(default_factory=list)
    open: int = 0

    def refuses(self, now: float) -> bool | None:
        """None: hard to say."""
        debt, before = 0.0, 0.0
        most = self.burst - 1 + self.rate * LIMITS["longest_refusal"]
        for when, change in sorted(self.changes, key=lambda each: each[0]):
            debt = min(max(0.0, max(0.0, debt - (when - before) * self.rate) + change), most)
            before = when
        debt -= (now - before) * self.rate
        if self.open >= self.most_open or debt + 1 > self.burst + NEARLY:
            return True
        return None if debt + 1 > self.burst - NEARLY else False


@dataclass(eq=False)
class ModelLink:
    end: AgentEnd
    agent: int
    expected: list[Message] = field(default_factory=list)
    up: bool = True


@dataclass(eq=False)
class ModelValidator:
    end: ValidatorEnd
    accounts: list[ModelAccount]
    tag: bytes
    release: float
    unread: int = 0
    """Frames that it has sent and nobody has taken."""
    state: str = "incomplete"
    answered: bool = False
    malformed: bool = False
    expected: list[bytes] = field(default_factory=list)


@dataclass(eq=False)
class ModelRequest:
    link: ModelLink
    number: int
    tags: tuple[bytes, ...]
    expires: float
    validator: ModelValidator | None = None
    started: float = 0.0
    active: float = 0.0
    frames_in: int = 0
    frames_out: int = 0
    rejects: int = 0


TAGS = [bytes([n]) * 16 for n in range(4)]

PER_SOURCE: dict[str, Any] = {
    "rate": LIMITS["source_rate"],
    "burst": LIMITS["source_burst"],
    "most_open": LIMITS["unanswered_per_source"],
}
PER_NETWORK: dict[str, Any] = {
    "rate": LIMITS["network_rate"],
    "burst": LIMITS["network_burst"],
    "most_open": LIMITS["unanswered_per_network"],
}

sources = st.sampled_from(SOURCES)
picks = st.integers(0, 9)


class BrokerMachine(RuleBasedStateMachine):
    steps: ClassVar[int] = 0
    """Taken so far by all, the first of each not counted."""

    links: ClassVar[Bundle[ModelLink]] = Bundle("links")
    silent: ClassVar[Bundle[ModelValidator]] = Bundle("silent")
    validators: ClassVar[Bundle[ModelValidator]] = Bundle("validators")

    @initialize(stall=st.sampled_from([3.3, 30.5]))
    def start(self, stall: float) -> None:
        """A stall may be shorter or longer than the hold."""
        BrokerMachine.steps -= 1
        self.stall = stall
        self.relay = PureRelay(stall=stall, **LIMITS)
        self.relay.now = 1000.1
        self.model_links: list[ModelLink] = []
        self.requests: list[ModelRequest] = []
        self.queued: list[list[float]] = [[], []]
        """The moments of each agent's."""
        self.incomplete: list[ModelValidator] = []
        self.held: list[ModelValidator] = []
        """Each pool, oldest entry first."""
        self.all_validators: list[ModelValidator] = []
        self.accounts: dict[bytes, ModelAccount] = {}
        self.moment: float | None = None
        """Of what has just come due; else it is now."""
        self.ended = 0
        self.draining = False

    # ---- what happens ----

    @rule(target=links, agent=st.integers(0, 1))
    def attach(self, agent: int) -> Any:
        if sum(link.up for link in self.model_links) == LIMITS["links"]:
            assert self.relay.link(UID).link.fate is Fate.RESET
            return multiple()
        link = ModelLink(self.relay.agent(UID + agent), agent)
        self.model_links.append(link)
        return link

    @rule(link=consumes(links), rudely=st.booleans())
    def detach(self, link: ModelLink, rudely: bool) -> None:
        if rudely:
            link.end.feed(encode_frame(b"?"))
        else:
            link.end.leave()
        self._link_ends(link)

    @rule(
        link=links,
        number=st.integers(0, 3),
        tags=st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True).map(tuple),
        ttl=st.sampled_from([0, 3, 7, 60, 100, 101]),
    )
    def queue(self, link: ModelLink, number: int, tags: tuple[bytes, ...], ttl: int) -> None:
        link.end.send(AuthRequest(number, SIGN_ON_ID, ttl, tags))
        if not link.up:
            return
        # In the order of the tags, which decides whose validator is held first, and evicted first.
        under = [r for tag in tags for r in self.requests if tag in r.tags]
        replaced = list(dict.fromkeys(under))
        of_agent = [r for r in self.requests if r.link.agent == link.agent]
        reason = None
        if self.draining:
            reason = RefusedReason.DRAINING
        elif not 1 <= ttl <= LIMITS["longest_ttl"]:
            reason = RefusedReason.TTL
        elif any(r.link is link and r.number == number for r in self.requests) or any(
            r.link.agent != link.agent for r in replaced
        ):
            reason = RefusedReason.DUPLICATE
        elif len(of_agent) - len(replaced) >= LIMITS["requests_per_agent"]:
            reason = RefusedReason.QUOTA
        elif len(self.requests) - len(replaced) >= LIMITS["requests"]:
            reason = RefusedReason.OVERLOADED
        elif self._queued_lately(link.agent) + 1 > 2 * LIMITS["requests_per_agent"]:
            reason = RefusedReason.QUOTA
        if reason is not None:
            link.expected.append(Refused(number, reason))
            return
        for old in replaced:
            self._request_ends(old, None)
        self.queued[link.agent].append(self.relay.now)
        request = ModelRequest(link, number, tags, self.relay.now + ttl)
        self.requests.append(request)
        link.expected.append(Queued(number))
        self._offer(request)

    @rule(
        target=validators,
        source=sources,
        tag=st.sampled_from(TAGS),
        frames=st.sampled_from([0, 1, 2, MAX_TRANSACTION_FRAMES + 1]),
    )
    def come(self, source: bytes, tag: bytes, frames: int) -> Any:
        """A validator that asks for a tag and sends something right behind."""
        validator = self._connect(source)
        return multiple() if validator is None else self.ask(validator, tag, frames)

    @rule(target=silent, source=sources)
    def connect(self, source: bytes) -> Any:
        """A validator that says nothing yet."""
        return self._connect(source) or multiple()

    def _connect(self, source: bytes) -> ModelValidator | None:
        self.relay.source = source
        accounts = [
            self.accounts.setdefault(source, ModelAccount(**PER_SOURCE)),
            self.accounts.setdefault(source[:3], ModelAccount(**PER_NETWORK)),
        ]
        refusals = [account.refuses(self.relay.now) for account in accounts]
        end = self.relay.validator_or_none()
        if True in refusals:
            assert end is None
        elif None not in refusals:
            assert end is not None
        if end is None:
            return None
        for account in accounts:
            account.open += 1
            account.changes.append((self.relay.now, 1.0))
        if len(self.incomplete) >= LIMITS["incomplete"]:
            self._gone(self.incomplete[0])
        validator = ModelValidator(end, accounts, b"", self.relay.now + HOLD)
        self.all_validators.append(validator)
        self.incomplete.append(validator)
        return validator

    @rule(
        target=validators,
        validator=consumes(silent),
        tag=st.sampled_from(TAGS),
        frames=st.sampled_from([0, 1]),
    )
    def ask(self, validator: ModelValidator, tag: bytes, frames: int) -> ModelValidator:
        if validator.state != "incomplete":
            return validator
        validator.end.feed(asking_for(tag) + encode_frame(b"v") * frames)
        validator.tag = tag
        validator.unread = frames
        for request in self.requests:
            if tag in request.tags and request.validator is None:
                self._pair(request, validator)
                return validator
        self.incomplete.remove(validator)
        self._hold(validator, "unmatched")
        return validator

    @rule(
        target=validators,
        source=sources,
        link=links,
        number=st.integers(0, 3),
        tag=st.sampled_from(TAGS),
        ttl=st.sampled_from([3, 60]),
    )
    def begin(self, source: bytes, link: ModelLink, number: int, tag: bytes, ttl: int) -> Any:
        """What most often happens."""
        self.queue(link, number, (tag,), ttl)
        return self.come(source, tag, 1)

    @rule(source=sources)
    def come_with_rubbish(self, source: bytes) -> None:
        validator = self._connect(source)
        if validator is None:
            return
        validator.end.feed(b"rubbish")
        validator.malformed = True
        self.incomplete.remove(validator)
        self._hold(validator, "held")

    @rule(validator=consumes(validators))
    def leave(self, validator: ModelValidator) -> None:
        validator.end.leave()
        request = self._running(validator)
        if request is not None:
            request.validator = None
            self._request_ends(request, CloseReason.VALIDATOR_GONE)
        if validator.state != "closed":
            self._gone(validator)

    @rule(validator=validators, count=st.sampled_from([1, 2, 9]))
    def say(self, validator: ModelValidator, count: int) -> None:
        """Shells do not read who is not to be read."""
        if validator.end.end.reading:
            validator.end.feed(encode_frame(b"v") * count)
            validator.unread += count
            request = self._running(validator)
            assert request is not None
            self._forward(request)

    @rule(validator=validators)
    def say_rubbish(self, validator: ModelValidator) -> None:
        if validator.end.end.reading:
            validator.end.feed(b"\0\0")
            request = self._running(validator)
            assert request is not None
            self._request_ends(request, CloseReason.VALIDATOR_GONE)

    @rule(
        link=links,
        message=st.sampled_from(
            [Data(4, b"a"), Reject(4), Close(4, CloseReason.DONE), Close(4, CloseReason.WITHDRAWN)]
        ),
    )
    def speak_of_a_request_that_is_gone(self, link: ModelLink, message: Message) -> None:
        """No request has this number, as when it has just ended at the relay."""
        link.end.send(message)

    @precondition(lambda self: self.requests)
    @rule(pick=picks, count=st.sampled_from([1, 2, 9]))
    def answer(self, pick: int, count: int) -> None:
        link, number = self._pick(pick)
        link.end.send(*[Data(number, b"a")] * count)
        for _ in range(count):
            request = self._request(link, number)
            if request is None:
                return
            if request.validator is None:
                self._link_ends(link)
                return
            request.active = self.relay.now
            request.frames_out += 1
            if request.frames_out > MAX_TRANSACTION_FRAMES:
                self._request_ends(request, CloseReason.LIMIT)
            else:
                if not request.validator.answered:
                    self._pays(request.validator, 0)
                request.validator.answered = True
                request.validator.expected.append(b"a")

    @precondition(lambda self: self.requests)
    @rule(pick=picks, again=st.sampled_from([1, 1, 1, MAX_REJECTS + 1]))
    def reject(self, pick: int, again: int) -> None:
        link, number = self._pick(pick)
        self._reject(link, number)
        request = self._request(link, number)
        while again > 1 and request is not None:
            again -= 1
            if request.validator is None:
                self.come(SOURCES[again % 3], request.tags[0], 1)
            if request.validator is not None:
                self._reject(link, number)
            request = self._request(link, number)

    def _reject(self, link: ModelLink, number: int) -> None:
        link.end.send(Reject(number))
        request = self._request(link, number)
        if request is None:
            return
        if request.validator is None:
            self._link_ends(link)
            return
        self._put_out(request)
        request.rejects += 1
        request.frames_in = request.frames_out = 0
        if request.rejects > MAX_REJECTS:
            self._request_ends(request, CloseReason.LIMIT)
        elif self.relay.now >= request.expires:
            self._request_ends(request, CloseReason.EXPIRED)
        else:
            self._offer(request)

    @precondition(lambda self: self.requests)
    @rule(pick=picks, reason=st.sampled_from([CloseReason.DONE, CloseReason.WITHDRAWN]))
    def close(self, pick: int, reason: CloseReason) -> None:
        link, number = self._pick(pick)
        link.end.send(Close(number, reason))
        request = self._request(link, number)
        if request is not None:
            self._request_ends(request, None, done=reason is CloseReason.DONE)

    @rule(steps=st.sampled_from([1, 2, 3, 5, 20, 40]))
    def wait(self, steps: int) -> None:
        """Step by step, with a word from every agent: silence is another test's business."""
        for _ in range(steps):
            self.relay.wait(STEP)
            self._time_has_passed()
            for link in self.model_links:
                link.end.send(Pong())

    @rule(chance=st.integers(0, 40))
    def drain(self, chance: int) -> None:
        """Seldom: a relay that drains is a dull one."""
        if chance != 29:
            return
        self.relay.broker.drain()
        for link in self.model_links:
            link.end.received()  # Drain, and what was compared before
        self.draining = True

    # ---- the model ----

    def _queued_lately(self, agent: int) -> float:
        """What has not drained yet of all that it ever queued."""
        left, before = 0.0, 0.0
        for when, more in [*((when, 1) for when in self.queued[agent]), (self.relay.now, 0)]:
            left = max(0.0, left - (when - before) * LIMITS["request_rate"]) + more
            before = when
        return left

    def _pick(self, pick: int) -> tuple[ModelLink, int]:
        request = self.requests[pick % len(self.requests)]
        return request.link, request.number

    def _request(self, link: ModelLink, number: int) -> ModelRequest | None:
        return next((r for r in self.requests if r.link is link and r.number == number), None)

    def _running(self, validator: ModelValidator) -> ModelRequest | None:
        return next((r for r in self.requests if r.validator is validator), None)

    def _offer(self, request: ModelRequest) -> None:
        for tag in request.tags:
            for validator in self.held:
                if validator.state == "unmatched" and validator.tag == tag:
                    self._pair(request, validator)
                    return

    def _pair(self, request: ModelRequest, validator: ModelValidator) -> None:
        if sum(r.validator is not None for r in self.requests) >= LIMITS["transactions"]:
            self._take(validator)
            self._hold(validator, "held")
            return
        self._take(validator)
        validator.state = "paired"
        request.validator = validator
        request.started = request.active = self.relay.now
        request.frames_in = request.frames_out = 0
        index = request.tags.index(validator.tag)
        request.link.expected.append(Paired(request.number, index, validator.end.end.peer.text))
        self._forward(request)

    def _forward(self, request: ModelRequest) -> None:
        assert request.validator is not None
        while request.validator is not None and request.validator.unread:
            request.validator.unread -= 1
            request.active = self.relay.now
            request.frames_in += 1
            if request.frames_in > MAX_TRANSACTION_FRAMES:
                self._request_ends(request, CloseReason.LIMIT)
                return
            request.link.expected.append(Data(request.number, b"v"))

    def _pays(self, validator: ModelValidator, price: float) -> None:
        when = self.relay.now if self.moment is None else self.moment
        for account in validator.accounts:
            account.changes.append((when, price - 1))
            account.open -= 1

    def _put_out(self, request: ModelRequest) -> None:
        validator = request.validator
        assert validator is not None
        request.validator = None
        validator.expected.clear()
        if validator.answered or (self.moment or self.relay.now) >= validator.release:
            self._gone(validator)
        else:
            self._hold(validator, "held")

    def _take(self, validator: ModelValidator) -> None:
        for pool in (self.incomplete, self.held):
            if validator in pool:
                pool.remove(validator)

    def _hold(self, validator: ModelValidator, state: str) -> None:
        if len(self.held) >= LIMITS["held"]:
            self._gone(self.held[0])
        self.held.append(validator)
        validator.state = state

    def _gone(self, validator: ModelValidator) -> None:
        if not validator.answered and validator.state != "reset":
            price = (
                "malformed" if validator.malformed else "unmatched" if validator.tag else "silent"
            )
            self._pays(validator, LIMITS[f"{price}_price"])
        validator.state = "reset"
        validator.expected.clear()
        self._take(validator)

    def _request_ends(
        self, request: ModelRequest, reason: CloseReason | None, *, done: bool = False
    ) -> None:
        self.requests.remove(request)
        self.ended += 1
        if reason is not None:
            request.link.expected.append(Close(request.number, reason))
        if request.validator is not None:
            if done and request.validator.answered:
                request.validator.state = "closed"
            else:
                self._put_out(request)

    def _link_ends(self, link: ModelLink) -> None:
        link.up = False
        link.expected.clear()
        for request in [r for r in self.requests if r.link is link]:
            self._request_ends(request, None)

    def _time_has_passed(self) -> None:
        """What came due meanwhile, one after the other."""
        while True:
            due: list[tuple[float, ModelRequest | ModelValidator | None]] = []
            due += [(self._deadline(request), request) for request in self.requests]
            due += [(each.release, each) for each in self.incomplete + self.held]
            when, first = min(due, key=lambda each: each[0], default=(math.inf, None))
            if when > self.relay.now:
                self.moment = None
                return
            self.moment = when
            if isinstance(first, ModelValidator):
                self._gone(first)
            elif isinstance(first, ModelRequest):
                self._request_ends(first, self._reason(first))

    def _deadline(self, request: ModelRequest) -> float:
        if request.validator is None:
            return request.expires
        return min(request.active + self.stall, request.started + LIFETIME)

    def _reason(self, request: ModelRequest) -> CloseReason:
        if request.validator is None:
            return CloseReason.EXPIRED
        stalled = request.active + self.stall < request.started + LIFETIME
        return CloseReason.STALLED if stalled else CloseReason.LIMIT

    # ---- what must be the same ----

    @invariant()
    def every_agent_has_heard_the_same(self) -> None:
        for link in self.model_links:
            assert link.end.up == link.up
            heard = link.end.received()
            if link.up:
                # What ends within one step ends in an order that the model does not know.
                assert sorted(map(repr, heard)) == sorted(map(repr, link.expected))
            link.expected.clear()

    @invariant()
    def every_validator_has_seen_the_same(self) -> None:
        for validator in self.all_validators:
            fate = {"closed": Fate.CLOSE, "reset": Fate.RESET}.get(validator.state, Fate.OPEN)
            assert validator.end.end.fate is fate, validator.state
            seen = validator.end.received()
            if fate is not Fate.RESET:
                assert seen == validator.expected
            if not validator.answered:
                assert not seen
            validator.expected.clear()

    @invariant()
    def count(self) -> None:
        BrokerMachine.steps += 1

    @invariant()
    def no_counter_drifts(self) -> None:
        broker = self.relay.broker
        assert len(broker.requests) == len(self.requests)
        assert len(broker.transactions) == sum(r.validator is not None for r in self.requests)
        assert broker.door.incomplete == len(self.incomplete)
        assert broker.door.held == len(self.held)
        assert len(broker.links) == sum(link.up for link in self.model_links)

    def teardown(self) -> None:
        """Everything runs out, and nothing is left."""
        if not hasattr(self, "relay"):
            return
        broker = self.relay.broker
        self.relay.wait(200)
        assert len(broker.requests) == len(broker.transactions) == 0
        assert len(broker.links) == 0
        assert broker.next_deadline() == float("inf")
        empty: list[object] = [
            broker.requests._by_tag,
            broker.requests._of_agent,
            broker.requests.deadlines._buckets,
            broker.door._unmatched,
            broker.door._incomplete,
            broker.door._held,
            broker.links._setting_up,
            broker._deadlines._buckets,
        ]
        assert not any(empty)


def test_the_broker_does_what_the_model_does_for_100_000_steps() -> None:
    """Most histories are as long as they may be. Longer ones are slower, and find no more."""
    histories = settings(
        max_examples=max(HISTORIES, settings().max_examples), stateful_step_count=LONGEST_HISTORY
    )
    BrokerMachine.steps = 0
    run_state_machine_as_test(BrokerMachine, settings=histories)
    assert BrokerMachine.steps >= STEPS
