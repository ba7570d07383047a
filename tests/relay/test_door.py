"""Validators in no transaction: nothing that anybody does moves the moment of their reset."""

import math
from collections.abc import Callable
from typing import Any, Final

import pytest

from protocol.frames import encode_frame, encode_preface
from protocol.limits import MAX_UNKNOWN_FRAME
from protocol.messages import Close, CloseReason, Data, Ping, Reject
from relay.ends import Fate, ValidatorState
from relay.outcomes import ValidatorOutcome
from relay.records import RequestEnded, ValidatorEnded
from tests.relay.pure_relay import (
    H1,
    OTHER,
    TAG,
    AgentEnd,
    PureRelay,
    ValidatorEnd,
    asking_for,
    frames,
)

# ---- the uniform reset ---------------------------------------------------------------------------


def paired(relay: PureRelay) -> tuple[AgentEnd, ValidatorEnd]:
    agent = relay.agent()
    agent.queue(TAG)
    relay.wait(0.5)
    return agent, relay.validator(asking_for(TAG) + encode_frame(H1))


def asked_and_did(action: Callable[[AgentEnd], None]) -> Callable[[PureRelay], ValidatorEnd]:
    def scenario(relay: PureRelay) -> ValidatorEnd:
        agent, validator = paired(relay)
        relay.wait(1.234)
        action(agent)
        return validator

    return scenario


def after_expiry(relay: PureRelay) -> ValidatorEnd:
    relay.agent().queue(TAG, ttl=1)
    relay.wait(1.2)
    return relay.validator(asking_for(TAG))


def expiring_while_it_waits_behind_another(relay: PureRelay) -> ValidatorEnd:
    agent = relay.agent()
    agent.queue(TAG, ttl=1)
    relay.validator(asking_for(TAG))
    validator = relay.validator(asking_for(TAG))
    relay.wait(1.2)
    agent.send(Reject(1))
    return validator


def full_of_transactions(relay: PureRelay) -> ValidatorEnd:
    agent, _ = paired(relay)
    agent.queue(OTHER, number=2)
    return relay.validator(asking_for(OTHER))


def fed(data: bytes) -> Callable[[PureRelay], ValidatorEnd]:
    return lambda relay: relay.validator(data)


CLASSES: Final[dict[str, Callable[[PureRelay], ValidatorEnd]]] = {
    "silent": fed(b""),
    "half a preface": fed(b"BTZ"),
    "preface only": fed(encode_preface(7)),
    "half a frame": fed(asking_for(TAG)[:-3]),
    "wrong version": fed(b"BTZN\2\7"),
    "random bytes": fed(bytes(range(200))),
    "empty frame": fed(encode_preface(7) + b"\0\0"),
    "frame too long": fed(encode_preface(7) + (MAX_UNKNOWN_FRAME + 1).to_bytes(2, "big")),
    "no msgpack": fed(encode_preface(7) + encode_frame(b"\xc1")),
    "message of an agent": fed(encode_preface(7) + frames(Ping())),
    "unknown tag": fed(asking_for(TAG)),
    "unknown tag and more": fed(asking_for(TAG) + bytes(3000)),
    "expired": after_expiry,
    "expired while it waited": expiring_while_it_waits_behind_another,
    "rejected": asked_and_did(lambda agent: agent.send(Reject(1))),
    "withdrawn": asked_and_did(lambda agent: agent.send(Close(1, CloseReason.WITHDRAWN))),
    "done without an answer": asked_and_did(lambda agent: agent.send(Close(1, CloseReason.DONE))),
    "link ends": asked_and_did(lambda agent: agent.leave()),
    "link breaks the rules": asked_and_did(lambda agent: agent.feed(b"\0\0")),
    "too many frames": asked_and_did(lambda agent: agent.send(*[Data(1, b"x" * 2048)] * 9)),
    "too many transactions": full_of_transactions,
}


@pytest.mark.parametrize("name", set(CLASSES) - {"too many frames"})
def test_no_byte_and_the_reset_at_the_moment_that_was_drawn_when_it_came(name: str) -> None:
    relay = PureRelay(jitter=lambda: 0.5, transactions=1)
    validator = CLASSES[name](relay)
    assert validator.end.release == pytest.approx(validator.end.opened + 5.125)
    relay.wait(validator.end.release - 0.001 - relay.now)
    assert validator.open
    assert not validator.end.out
    relay.wait(0.012)
    assert validator.reset
    assert not validator.end.out


def test_who_has_been_answered_is_reset_at_once() -> None:
    relay = PureRelay()
    validator = CLASSES["too many frames"](relay)
    assert validator.reset
    agent, answered = paired(relay)
    agent.send(Data(1, b"context"), Reject(1))
    assert answered.reset
    assert not answered.end.out


def test_who_is_put_out_after_its_moment_is_reset_at_once() -> None:
    relay = PureRelay()
    agent, validator = paired(relay)
    relay.wait(6)
    assert validator.open
    agent.send(Reject(1))
    assert validator.reset


def test_the_moment_is_drawn_from_the_whole_jitter() -> None:
    draws = iter([0.0, 0.25, 1.0])
    relay = PureRelay(jitter=lambda: next(draws), hold=2, hold_jitter=0.4)
    releases = [relay.validator().end.release - relay.now for _ in range(3)]
    assert releases == [pytest.approx(2.0), pytest.approx(2.1), pytest.approx(2.4)]


def test_a_stall_shorter_than_the_hold_ends_the_transaction_and_not_the_hold() -> None:
    relay = PureRelay(stall=0.5)
    agent, validator = paired(relay)
    agent.received()
    relay.wait(0.52)
    assert agent.received() == [Close(1, CloseReason.STALLED)]
    assert validator.is_held_until_its_moment()


def test_a_link_and_its_validator_that_come_due_together_do_not_move_the_reset() -> None:
    """The link's end puts the validator out within a tick that already had it in hand."""
    for _ in range(20):  # the order within a tick is a set's
        relay = PureRelay(stall=1.0, lifetime=2.0)
        agent = relay.agent()
        agent.queue(TAG, ttl=100)
        relay.wait(59)
        validator = relay.validator(asking_for(TAG))
        relay.now += 1.2  # a busy relay wakes late
        relay.broker.tick(relay.now)
        assert not agent.up
        assert validator.open
        assert validator.is_held_until_its_moment()


# ---- what it says --------------------------------------------------------------------------------


def test_what_a_held_validator_sends_is_not_read() -> None:
    relay = PureRelay()
    relay.agent().queue(TAG)
    validator = relay.validator(b"rubbish")
    assert not validator.end.reading
    validator.feed(asking_for(TAG))
    assert validator.end.state is ValidatorState.HELD


def test_frames_behind_the_tag_may_be_longer_than_a_strangers() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    relay.validator(asking_for(TAG) + encode_frame(bytes(2048)))
    assert agent.received()[1:] == [Data(1, bytes(2048))]


# ---- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["silent", "random bytes", "unknown tag", "rejected"])
def test_who_leaves_is_recorded_once_with_the_word_it_already_had(name: str) -> None:
    relay = PureRelay(transactions=1)
    validator = CLASSES[name](relay)
    validator.leave()
    assert validator.reset
    [record] = [r for r in relay.records() if isinstance(r, ValidatorEnded)]
    assert record.outcome is {
        "random bytes": ValidatorOutcome.MALFORMED,
        "rejected": ValidatorOutcome.REJECTED,
    }.get(name, ValidatorOutcome.LEFT)
    relay.wait(10)
    assert not any(isinstance(r, ValidatorEnded) for r in relay.records())


@pytest.mark.parametrize("end", ["leave", "stop", "evict"])
def test_a_validator_whose_transaction_was_recorded_gets_no_second_record(end: str) -> None:
    relay = PureRelay(held=1)
    agent, validator = paired(relay)
    agent.send(Close(1, CloseReason.WITHDRAWN))
    if end == "leave":
        validator.leave()
    elif end == "stop":
        relay.broker.stop(relay.now)
    else:
        relay.validator(b"rubbish")
    assert validator.reset
    kinds = [type(record) for record in relay.records()]
    assert kinds.count(RequestEnded) == 1
    assert kinds.count(ValidatorEnded) == 0


@pytest.mark.parametrize("said", [b"", asking_for(OTHER)[:-1], asking_for(OTHER), b"rubbish"])
def test_the_oldest_of_its_pool_goes_and_nobody_else(said: bytes) -> None:
    relay = PureRelay(incomplete=3, held=3)
    _, running = paired(relay)
    incomplete = [relay.validator() for _ in range(2)]
    held = [relay.validator(asking_for(OTHER)), relay.validator(b"rubbish")]
    validators = [relay.validator(said) for _ in range(10)]
    oldest = incomplete if len(said) < len(asking_for(OTHER)) and said[:1] != b"r" else held
    for before in (incomplete, held):
        assert [v.open for v in before] == ([False] * 2 if before is oldest else [True] * 2)
    assert [v.open for v in validators] == [False] * 7 + [True] * 3
    assert running.end.fate is Fate.OPEN
    assert {relay.broker.door.incomplete, relay.broker.door.held} == {2, 3}


def test_who_asks_for_a_waiting_request_passes_pools_that_are_full() -> None:
    relay = PureRelay(incomplete=1, held=1)
    relay.agent().queue(TAG)
    waiting = relay.validator(asking_for(OTHER))
    asked = relay.validator(asking_for(TAG))
    silent = relay.validator()
    assert asked.end.transaction is not None
    assert waiting.open
    assert silent.open


def test_one_that_is_rejected_and_one_that_waits_press_upon_one_another() -> None:
    relay = PureRelay(held=1)
    agent, rejected = paired(relay)
    waiting = relay.validator(asking_for(OTHER))
    agent.send(Reject(1))
    assert rejected.open
    assert waiting.reset
    again = relay.validator(asking_for(OTHER))
    assert rejected.reset
    assert again.open


def test_who_has_gone_leaves_no_deadline_behind() -> None:
    relay = PureRelay()
    relay.validator(asking_for(TAG)).leave()
    relay.validator(b"rubbish").leave()
    agent, validator = paired(relay)
    agent.send(Data(1, b"context"), Close(1, CloseReason.DONE))
    assert validator.end.fate is Fate.CLOSE
    agent.leave()
    relay.link().leave()
    assert relay.broker._deadlines.due(math.inf) == []
    assert relay.broker.requests.deadlines.due(math.inf) == []


def test_an_evicted_validator_is_not_found_by_its_tag() -> None:
    relay = PureRelay(held=1)
    relay.validator(asking_for(TAG))
    relay.validator(b"rubbish")
    agent = relay.agent()
    agent.queue(TAG)
    assert agent.received() == []


# ---- what it cost --------------------------------------------------------------------------------

PRICES: Final[dict[str, Any]] = {"silent_price": 2, "unmatched_price": 3, "malformed_price": 5}
BURST: Final = 100


def left(relay: PureRelay) -> int:
    """How many more are let in: so the debt is read as a stranger reads it."""
    count = 0
    while relay.validator_or_none() is not None:
        count += 1
    return count


BY_WHAT_IT_SAID: Final = {
    "silent": 2,
    "half a preface": 2,
    "preface only": 2,
    "half a frame": 2,
    "wrong version": 5,
    "random bytes": 5,
    "empty frame": 5,
    "frame too long": 5,
    "no msgpack": 5,
    "message of an agent": 5,
    "expired while it waited": 3 + 3,  # and so did the other one
    "too many transactions": 3 + 1,  # the other one runs yet
}
"""All other classes have named a tag, which costs 3."""


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("name", set(CLASSES) - {"too many frames"})
def test_the_price_is_for_what_it_said_and_not_for_what_became_of_it(
    name: str, *, leaves: bool
) -> None:
    relay = PureRelay(
        transactions=1, source_rate=1e-6, network_rate=1e-6, source_burst=BURST, **PRICES
    )
    validator = CLASSES[name](relay)
    if leaves:
        validator.leave()
    else:
        relay.wait(validator.end.release + 0.02 - relay.now)
    relay.wait(10)
    assert BURST - left(relay) == BY_WHAT_IT_SAID.get(name, 3)


def test_who_was_answered_cost_nothing() -> None:
    relay = PureRelay(source_rate=1e-6, source_burst=BURST, **PRICES)
    agent, validator = paired(relay)
    agent.send(Data(1, b"context"), Data(1, b"receipt"))
    assert validator.received() == [b"context", b"receipt"]
    assert left(relay) == BURST
    validator.leave()
    assert left(relay) == 0


def test_no_more_of_one_source_than_may_be_unanswered() -> None:
    relay = PureRelay(unanswered_per_source=2)
    agent = relay.agent()
    agent.queue(TAG)
    running = relay.validator(asking_for(TAG))
    silent = relay.validator()
    assert relay.validator_or_none() is None  # paired or not: it must not tell
    relay.source = bytes((198, 51, 100, 8))
    assert relay.validator().open
    relay.source = running.end.peer.source
    agent.send(Data(1, b"context"))
    assert relay.validator().open
    assert relay.validator_or_none() is None
    silent.leave()
    assert relay.validator().open


def test_who_is_refused_is_recorded_and_leaves_nothing_behind() -> None:
    relay = PureRelay(source_burst=1)
    relay.validator().leave()
    relay.records()
    assert relay.validator_or_none() is None
    assert relay.records() == [
        ValidatorEnded(outcome=ValidatorOutcome.REFUSED, source="198.51.100.0/24", lasted=0.0)
    ]
    assert relay.broker.door.incomplete == relay.broker.door.held == 0
    assert not relay.broker.touched
