"""Requests: queued or refused, replaced, matched with validators that come before or after."""

from collections.abc import Callable
from typing import Final

import pytest

from protocol.frames import encode_frame
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Paired,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from tests.relay.pure_relay import (
    H1,
    OTHER,
    SIGN_ON_ID,
    TAG,
    UID,
    AgentEnd,
    PureRelay,
    asking_for,
)


def request(number: int = 1, ttl: int = 60, tags: tuple[bytes, ...] = (TAG,)) -> AuthRequest:
    return AuthRequest(number, SIGN_ON_ID, ttl, tags)


# ---- refusals ------------------------------------------------------------------------------------

Refusal = Callable[[], tuple[AgentEnd, AuthRequest]]


def over_quota() -> tuple[AgentEnd, AuthRequest]:
    agent = PureRelay(requests_per_agent=1).agent()
    agent.queue(OTHER)
    return agent, request(2)


def over_its_rate() -> tuple[AgentEnd, AuthRequest]:
    agent = PureRelay(requests_per_agent=1, request_rate=1e-6).agent()
    for _ in range(2):
        agent.queue(OTHER)
        agent.send(Close(1, CloseReason.WITHDRAWN))
    agent.relay.records()
    return agent, request()


def ttl_too_long() -> tuple[AgentEnd, AuthRequest]:
    return PureRelay(longest_ttl=59).agent(), request()


def ttl_of_nothing() -> tuple[AgentEnd, AuthRequest]:
    return PureRelay().agent(), request(ttl=0)


def tag_of_another_agent() -> tuple[AgentEnd, AuthRequest]:
    relay = PureRelay()
    relay.agent(UID).queue(TAG)
    return relay.agent(UID + 1), request(tags=(OTHER, TAG))


def number_in_use() -> tuple[AgentEnd, AuthRequest]:
    agent = PureRelay().agent()
    agent.queue(OTHER)
    return agent, request(1)


def draining() -> tuple[AgentEnd, AuthRequest]:
    relay = PureRelay()
    agent = relay.agent()
    relay.broker.drain()
    agent.received()
    return agent, request()


def over_the_relays_cap() -> tuple[AgentEnd, AuthRequest]:
    relay = PureRelay(requests=1)
    relay.agent(UID).queue(OTHER)
    return relay.agent(UID + 1), request()


REFUSALS: Final[tuple[tuple[RefusedReason, Refusal], ...]] = (
    (RefusedReason.QUOTA, over_quota),
    (RefusedReason.QUOTA, over_its_rate),
    (RefusedReason.TTL, ttl_too_long),
    (RefusedReason.TTL, ttl_of_nothing),
    (RefusedReason.DUPLICATE, tag_of_another_agent),
    (RefusedReason.DUPLICATE, number_in_use),
    (RefusedReason.DRAINING, draining),
    (RefusedReason.OVERLOADED, over_the_relays_cap),
)


def test_every_reason_to_refuse_is_tried() -> None:
    assert {reason for reason, _ in REFUSALS} == set(RefusedReason)


@pytest.mark.parametrize(("reason", "refusal"), REFUSALS)
def test_a_refusal_names_its_reason_and_leaves_everything_as_it_was(
    reason: RefusedReason, refusal: Refusal
) -> None:
    agent, message = refusal()
    before = len(agent.relay.broker.requests)
    agent.send(message)
    assert agent.received() == [Refused(message.request, reason)]
    assert len(agent.relay.broker.requests) == before
    assert agent.relay.records() == []


def test_the_longest_ttl_is_taken() -> None:
    PureRelay(longest_ttl=60).agent().queue(TAG, ttl=60)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("end", ["closed", "expired", "replaced", "agent gone", "stalled"])
def test_a_place_is_given_back_however_a_request_ends(end: str, paired: bool) -> None:
    relay = PureRelay(requests_per_agent=1, requests=1, transactions=1, stall=50)
    agent = relay.agent()
    for _ in range(3):
        agent.queue(TAG, ttl=10)
        if paired:
            relay.validator(asking_for(TAG))
        if end == "closed":
            agent.send(Close(1, CloseReason.DONE))
        elif end == "replaced":
            again = relay.agent()
            again.queue(TAG)
            again.leave()
        elif end == "agent gone":
            agent.leave()
            agent = relay.agent()
        elif end == "expired":
            relay.wait(11)
            if paired:
                agent.send(Reject(1))
        else:
            relay.wait(51)
        agent.received()
        assert len(relay.broker.requests) == len(relay.broker.transactions) == 0
        if not agent.up:
            agent = relay.agent()
        relay.wait(1)  # it is no matter of the rate


# ---- the same tag again --------------------------------------------------------------------------


def test_a_request_replaces_all_that_had_its_tags_even_at_the_quota() -> None:
    """A reconnecting agent queues its tags again before its old link is known to be dead."""
    relay = PureRelay(requests_per_agent=2, requests=2)
    old = relay.agent()
    old.queue(TAG, number=1)
    old.queue(OTHER, b"a third tag.....", number=2)
    new = relay.agent()
    new.queue(OTHER, TAG, b"a fourth tag....", number=1)
    assert len(relay.broker.requests) == 1
    outcomes = [r.outcome for r in relay.records() if isinstance(r, RequestEnded)]
    assert outcomes == [RequestOutcome.REPLACED] * 2
    validator = relay.validator(asking_for(TAG))
    assert new.received() == [Paired(1, 1, validator.end.peer.text)]
    assert old.received() == []


def test_the_end_of_a_dead_link_does_not_take_its_successors_request() -> None:
    relay = PureRelay()
    old = relay.agent()
    old.queue(TAG)
    new = relay.agent()
    new.queue(TAG)
    old.leave()
    relay.validator(asking_for(TAG))
    assert isinstance(new.received()[0], Paired)


def test_a_replaced_requests_number_is_unknown_and_free_again() -> None:
    agent = PureRelay().agent()
    agent.queue(TAG, number=1)
    agent.queue(TAG, number=2)
    agent.send(Reject(1), Data(1, b"."), Close(1, CloseReason.DONE))
    assert agent.up
    agent.queue(OTHER, number=1)
    assert len(agent.relay.broker.requests) == 2


def test_a_tag_is_free_when_its_request_has_ended() -> None:
    relay = PureRelay()
    agent = relay.agent(UID)
    agent.queue(TAG)
    agent.send(Close(1, CloseReason.WITHDRAWN))
    relay.agent(UID + 1).queue(TAG)


# ---- matching ------------------------------------------------------------------------------------


def test_each_of_several_tags_finds_the_request_and_says_which_it_was() -> None:
    tags = tuple(bytes([n]) * 16 for n in range(8))
    for index, tag in enumerate(tags):
        relay = PureRelay()
        agent = relay.agent()
        agent.queue(*tags)
        validator = relay.validator(asking_for(tag))
        assert agent.received() == [Paired(1, index, validator.end.peer.text)]


def test_a_validator_that_came_first_is_paired_with_a_request_queued_meanwhile() -> None:
    """This bridges a relay's restart: validators may be back before the agents are."""
    relay = PureRelay()
    validator = relay.validator(asking_for(TAG), encode_frame(H1))
    assert not validator.end.reading
    relay.wait(4)
    agent = relay.agent()
    agent.send(request(tags=(OTHER, TAG)))
    assert agent.received() == [Queued(1), Paired(1, 1, validator.end.peer.text), Data(1, H1)]
    assert validator.end.reading
    relay.wait(2)  # past the moment at which it would have been reset
    agent.send(Data(1, b"context"))
    assert validator.received() == [b"context"]


def test_validators_that_wait_under_one_tag_are_paired_in_order_of_arrival() -> None:
    relay = PureRelay()
    gone, first, second = (relay.validator(asking_for(TAG)) for _ in range(3))
    gone.leave()
    agent = relay.agent()
    agent.send(request())
    assert agent.received() == [Queued(1), Paired(1, 0, first.end.peer.text)]
    agent.send(Reject(1))
    assert agent.received() == [Paired(1, 0, second.end.peer.text)]


def test_a_second_validator_waits_and_is_next_when_the_first_is_rejected() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    first = relay.validator(asking_for(TAG))
    second = relay.validator(asking_for(TAG))
    third = relay.validator(asking_for(TAG))
    assert agent.received() == [Paired(1, 0, first.end.peer.text)]
    agent.send(Reject(1))
    assert agent.received() == [Paired(1, 0, second.end.peer.text)]
    agent.send(Reject(1))
    assert agent.received() == [Paired(1, 0, third.end.peer.text)]
    agent.send(Reject(1))
    assert agent.received() == []
    late = relay.validator(asking_for(TAG))
    assert agent.received() == [Paired(1, 0, late.end.peer.text)]
    assert first.is_held_until_its_moment()


def test_validators_behind_a_transaction_that_is_done_wait_for_nobody() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    relay.validator(asking_for(TAG))
    second = relay.validator(asking_for(TAG))
    agent.send(Data(1, b"."), Close(1, CloseReason.DONE))
    assert second.is_held_until_its_moment()


# ---- time ----------------------------------------------------------------------------------------


def test_a_running_request_does_not_expire_but_is_not_put_back_after_its_time() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG, ttl=2)
    relay.validator(asking_for(TAG))
    relay.wait(3)
    assert not any(isinstance(message, Close) for message in agent.received())
    agent.send(Reject(1))
    assert agent.received() == [Close(1, CloseReason.EXPIRED)]


def test_a_request_that_was_put_back_expires_at_its_old_time() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG, ttl=3)
    relay.validator(asking_for(TAG))
    relay.wait(2)
    agent.send(Reject(1))
    agent.received()
    relay.wait(1.1)
    assert agent.received() == [Close(1, CloseReason.EXPIRED)]


def test_many_that_expire_at_once_all_do() -> None:
    relay = PureRelay()
    agents = [relay.agent(), relay.agent(UID + 1)]
    for number in range(50):
        for each, agent in enumerate(agents):
            agent.queue(bytes([each, number]) * 8, number=number, ttl=5)
    relay.wait(5.1)
    for agent in agents:
        closes = agent.received()
        assert sorted(c.request for c in closes if isinstance(c, Close)) == list(range(50))
    assert len(relay.broker.requests) == 0


# ---- cost ----------------------------------------------------------------------------------------


def test_a_waiting_request_costs_at_most_600_bytes() -> None:
    """At the rate at which the default caps are reached: 100 000 requests of 600 s."""
    import gc
    import tracemalloc

    relay = PureRelay(requests_per_agent=20_000)
    agent = relay.agent()
    for number in range(100):  # tables that are there anyway
        agent.queue(number.to_bytes(16, "big"), number=number, ttl=1)
    relay.wait(2)
    agent.received()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(10_000):
            relay.now += 600 / 100_000
            agent.queue(number.to_bytes(16, "big"), number=number, ttl=600)
        relay.records()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(relay.broker.requests) == 10_000
    assert (after - before) / 10_000 <= 600


# ---- the rate ------------------------------------------------------------------------------------


def test_an_agent_that_comes_back_twice_with_all_it_has_is_not_hurt() -> None:
    relay = PureRelay(requests_per_agent=10)
    for _ in range(3):
        agent = relay.agent()
        for number in range(10):
            agent.queue(bytes([number]) * 16, number=number)
        agent.leave()
        relay.wait(0.1)


def test_the_rate_is_each_agents_own_and_not_its_links() -> None:
    relay = PureRelay(requests_per_agent=1, request_rate=1e-6)
    agent, again, other = relay.agent(), relay.agent(), relay.agent(UID + 1)
    agent.queue(TAG)
    again.queue(TAG)
    again.send(request(2))
    assert again.received() == [Refused(2, RefusedReason.QUOTA)]
    agent.send(request(2))
    assert agent.received() == [Refused(2, RefusedReason.QUOTA)]
    other.queue(OTHER)


def test_what_is_refused_does_not_count() -> None:
    relay = PureRelay(requests_per_agent=1, request_rate=1e-6)
    agent = relay.agent()
    for number in range(9):
        agent.send(request(number, ttl=0))
    agent.received()
    agent.queue(TAG, number=20)
    agent.queue(TAG, number=21)
