"""What one process leaves to the next. Whatever happens to a relay, it would happen to the next."""

import math

import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from protocol.frames import encode_frame
from protocol.limits import MAX_REJECTS, MAX_TRANSACTION_FRAMES
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Paired,
    Refused,
    RefusedReason,
    Reject,
)
from relay import handover
from relay.broker import Broker
from relay.ends import Arrival, Fate, Link, Validator
from relay.handover import HandoverError
from relay.peers import Peer
from relay.proxies import parse_network
from tests.relay.pure_relay import (
    H1,
    KEY,
    OTHER,
    SIGN_ON_ID,
    TAG,
    AgentEnd,
    PureRelay,
    ValidatorEnd,
    asking_for,
    frames,
)
from tests.relay.test_broker_model import BrokerMachine

SHIFT = 86_400.125
"""CLOCK_MONOTONIC's lead over the brokers' clocks."""
NOBODY: frozenset[int] = frozenset()


def hand_over(relay: PureRelay, ends: list[AgentEnd | ValidatorEnd]) -> None:
    """The same relay with another broker, which knows the first one only by what that has left."""
    old = relay.broker
    sockets: dict[Link | Validator, int] = {}
    for number, each in enumerate(ends):
        sockets[each.link if isinstance(each, AgentEnd) else each.end] = number
    data = handover.save(old, sockets, relay.now, SHIFT)
    relay.broker = Broker(old.limits, KEY, relay.agents, lambda: 0.0)
    relay._seen.clear()
    for end, number in handover.restore(relay.broker, data, relay.now, SHIFT).items():
        assert end.touched
        there = ends[number]
        if isinstance(there, AgentEnd):
            assert isinstance(end, Link)
            there.link = end
        else:
            assert isinstance(end, Validator)
            there.end = end
        relay.look_at(end)


class HandoverMachine(BrokerMachine):
    """The broker's own model, and now and then another process."""

    @precondition(lambda self: not self.draining)
    @rule()
    def hand_over(self) -> None:
        ends: list[AgentEnd | ValidatorEnd] = [link.end for link in self.model_links if link.up]
        open_ones = [each for each in self.all_validators if each.end.open]
        hand_over(self.relay, [*ends, *(each.end for each in open_ones)])
        self.accounts.clear()
        for validator in open_ones:
            validator.accounts = []


def test_whatever_happens_happens_to_the_next_process_too() -> None:
    histories = settings(max_examples=max(120, settings().max_examples), stateful_step_count=50)
    run_state_machine_as_test(HandoverMachine, settings=histories)


def test_half_a_frame_each_way_and_what_is_not_sent_yet() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    user = relay.validator(asking_for(TAG))
    assert isinstance(agent.received()[0], Paired)
    whole = encode_frame(H1)
    user.feed(whole[:7])
    data = frames(Data(1, b"first")) + frames(Data(1, b"second"))
    agent.feed(data[:20])
    relay.broker.blocked(user.end, relay.now)
    hand_over(relay, [agent, user])
    user.feed(whole[7:])
    agent.feed(data[20:])
    assert agent.received() == [Data(1, H1)]
    assert user.received() == [b"first", b"second"]
    assert user.end.blocked_since == relay.now


def test_a_request_waits_as_long_as_it_would_have_and_a_transaction_too() -> None:
    relay = PureRelay(stall=20)
    agent = relay.agent()
    agent.queue(TAG, number=1, ttl=12)
    agent.queue(OTHER, number=2, ttl=12)
    user = relay.validator(asking_for(OTHER))
    agent.received()
    relay.wait(5)
    hand_over(relay, [agent, user])
    relay.wait(6.5)
    assert len(relay.broker.requests) == 2
    relay.wait(0.7)
    assert len(relay.broker.requests) == 1
    agent.send(Data(2, b"x" * 10))
    relay.wait(19)
    assert len(relay.broker.transactions) == 1
    relay.wait(1.5)
    assert len(relay.broker.transactions) == 0


def test_one_behind_a_proxy_that_has_not_spoken_yet_keeps_its_place() -> None:
    relay = PureRelay()
    relay.proxies = (parse_network("198.51.100.7"),)
    user = relay.validator()
    hand_over(relay, [user])
    assert user.end.arrival is Arrival.HEADER
    assert user.end.peer.text == "198.51.100.7:1"


def test_a_link_by_key_is_known_by_its_key() -> None:
    relay = PureRelay(agents={b"k" * 32: "web1"})
    agent = relay.link(uid=None)
    agent.link.key, agent.link.claimed = b"k" * 32, "web1"
    relay.broker.links._attached(agent.link, "web1", relay.now)
    agent.received()
    hand_over(relay, [agent])
    relay.broker.adopt(relay.limits, KEY, {b"k" * 32: "web1"}, NOBODY, relay.now)
    assert agent.up
    assert agent.link.agent == "web1"
    assert isinstance(agent.link.peer, Peer)
    relay.broker.adopt(relay.limits, KEY, {}, NOBODY, relay.now)
    assert agent.link.fate is Fate.RESET


def test_what_an_agent_has_queued_of_late_still_counts() -> None:
    relay = PureRelay(requests_per_agent=2, request_rate=0.001)
    agent = relay.agent()
    for _ in range(3):
        agent.queue(TAG)
        agent.send(Close(1, CloseReason.WITHDRAWN))
    hand_over(relay, [agent])
    agent.queue(TAG)
    agent.send(AuthRequest(2, SIGN_ON_ID, 60, (OTHER,)))
    assert agent.received() == [Refused(2, RefusedReason.QUOTA)]


def saved() -> bytes:
    relay = PureRelay()
    agent, user = relay.agent(), relay.validator(asking_for(TAG))
    return handover.save(relay.broker, {agent.link: 1, user.end: 2}, relay.now, 0.0)


@pytest.mark.parametrize("length", [0, 3, 6, 20, 60])
def test_less_than_all_is_refused(length: int) -> None:
    broker = PureRelay().broker
    with pytest.raises(HandoverError, match=r"another version|damaged"):
        handover.restore(broker, saved()[:length], 0.0, 0.0)
    assert len(broker.links) == 0


def test_another_version_and_damage_are_told_apart() -> None:
    data = saved()
    broker = PureRelay().broker
    with pytest.raises(HandoverError, match="another version than 1"):
        handover.restore(broker, data[:5] + b"\2" + data[6:], 0.0, 0.0)
    with pytest.raises(HandoverError, match="damaged"):
        handover.restore(broker, data[:-1] + bytes([data[-1] ^ 1]), 0.0, 0.0)
    assert len(broker.links) == broker.door.held == 0


def test_the_saved_form_is_that_of_its_version() -> None:
    """Who changes what is saved has to change VERSION, and this."""
    fields = [
        each.__struct_fields__
        for each in vars(handover).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    assert handover.VERSION == 1
    assert sum(map(len, fields)) == 43


# ---- who goes ------------------------------------------------------------------------------------


def test_links_that_are_not_attached_and_the_oldest_strangers_go() -> None:
    relay = PureRelay()
    silent = relay.link()
    agent = relay.agent()
    users = [relay.validator(), relay.validator(asking_for(TAG)), relay.validator(b"rubbish")]
    relay.now += 1
    last = relay.validator(asking_for(OTHER))
    relay.broker.part(2, relay.now)
    relay.look()
    assert silent.link.fate is Fate.CLOSE
    assert agent.up
    assert last.open
    assert sum(user.open for user in users) == 1
    relay.broker.part(9, relay.now)
    assert last.open
    assert math.isinf(relay.broker._floods.next())


# ---- what is counted -----------------------------------------------------------------------------


def test_who_has_been_answered_is_no_stranger_to_the_next_process_either() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    user = relay.validator(asking_for(TAG))
    agent.send(Data(1, b"an answer"))
    hand_over(relay, [agent, user])
    assert user.received() == [b"an answer"]
    agent.send(Reject(1))
    assert user.reset, "at once: its moment is for those who were told nothing"


def test_frames_are_counted_on() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    user = relay.validator(asking_for(TAG))
    for _ in range(MAX_TRANSACTION_FRAMES):
        user.feed(encode_frame(b"v"))
    agent.received()
    hand_over(relay, [agent, user])
    user.feed(encode_frame(b"one too many"))
    assert agent.received() == [Close(1, CloseReason.LIMIT)]

    agent.queue(OTHER, number=2)
    user = relay.validator(asking_for(OTHER))
    agent.send(*[Data(2, b"a")] * MAX_TRANSACTION_FRAMES)
    held = [ValidatorEnd(relay, end) for end in relay.broker.door]
    agent.received()
    hand_over(relay, [agent, user, *held])
    agent.send(Data(2, b"one too many"))
    assert agent.received() == [Close(2, CloseReason.LIMIT)]


def test_rejects_are_counted_on() -> None:
    relay = PureRelay(held=100)
    agent = relay.agent()
    agent.queue(TAG)
    for _ in range(MAX_REJECTS):
        relay.validator(asking_for(TAG))
        agent.send(Reject(1))
    user = relay.validator(asking_for(TAG))
    agent.received()
    held = [ValidatorEnd(relay, end) for end in relay.broker.door]
    hand_over(relay, [agent, user, *held])
    agent.send(Reject(1))
    assert agent.received() == [Close(1, CloseReason.LIMIT)]
