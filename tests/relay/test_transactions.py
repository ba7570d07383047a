"""Transactions: frames both ways within the caps, and the time they have."""

import pytest

from protocol.frames import encode_frame
from protocol.limits import MAX_FRAME, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_FRAMES
from protocol.messages import Close, CloseReason, Data, Paired, Pong, Reject
from relay.ends import Fate
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from tests.relay.pure_relay import OTHER, TAG, AgentEnd, PureRelay, ValidatorEnd, asking_for


def running(relay: PureRelay) -> tuple[AgentEnd, ValidatorEnd]:
    agent = relay.agent()
    agent.queue(TAG)
    validator = relay.validator(asking_for(TAG))
    assert isinstance(agent.received()[0], Paired)
    return agent, validator


def outcomes(relay: PureRelay) -> list[RequestOutcome]:
    return [record.outcome for record in relay.records() if isinstance(record, RequestEnded)]


BIG = bytes(MAX_FRAME)
FULL = MAX_TRANSACTION_BYTES // MAX_FRAME


def test_both_ways_have_their_own_caps_and_reach_them() -> None:
    relay = PureRelay()
    agent, validator = running(relay)
    for _ in range(FULL):
        validator.feed(encode_frame(BIG))
        agent.send(Data(1, BIG))
    assert agent.received() == [Data(1, BIG)] * FULL
    assert validator.received() == [BIG] * FULL
    assert outcomes(relay) == []


@pytest.mark.parametrize(
    ("frame", "count"), [(b".", MAX_TRANSACTION_FRAMES), (BIG, FULL)], ids=["frames", "bytes"]
)
@pytest.mark.parametrize("side", ["agent", "validator"])
def test_over_a_cap_the_frame_is_not_forwarded_and_the_transaction_ends(
    side: str, frame: bytes, count: int
) -> None:
    relay = PureRelay()
    agent, validator = running(relay)
    if side == "validator":
        validator.feed(encode_frame(frame) * (count + 1))
        assert agent.received() == [Data(1, frame)] * count + [Close(1, CloseReason.LIMIT)]
        assert validator.is_held_until_its_moment()
    else:
        agent.send(*[Data(1, frame)] * count)
        assert validator.received() == [frame] * count
        agent.send(Data(1, frame))
        assert agent.received() == [Close(1, CloseReason.LIMIT)]
        assert validator.received() == []
        assert validator.reset
    assert outcomes(relay) == [RequestOutcome.FRAMES]


def test_each_attempt_has_caps_of_its_own() -> None:
    relay = PureRelay()
    agent, validator = running(relay)
    validator.feed(encode_frame(b".") * MAX_TRANSACTION_FRAMES)
    agent.send(Reject(1))
    again = relay.validator(asking_for(TAG))
    again.feed(encode_frame(b".") * MAX_TRANSACTION_FRAMES)
    assert outcomes(relay) == []


def test_a_validators_malformed_frame_is_not_its_agents_fault() -> None:
    """Also when it was already buffered while the agent's own message pairs them."""
    relay = PureRelay()
    validator = relay.validator(asking_for(TAG) + b"\0\0")
    agent = relay.agent()
    agent.queue(TAG)
    assert agent.up
    assert outcomes(relay) == [RequestOutcome.MALFORMED]
    assert validator.is_held_until_its_moment()


def test_a_full_link_ends_nothing_in_the_middle_of_a_step() -> None:
    """Forwarding far over the bound is one step; the link's end comes when its socket is stuck."""
    relay = PureRelay(link_buffer=100)
    agent, validator = running(relay)
    validator.feed(encode_frame(BIG) * FULL)
    assert agent.up
    relay.broker.blocked(agent.link, relay.now)
    assert not agent.up
    assert outcomes(relay) == [RequestOutcome.AGENT_GONE]
    assert validator.is_held_until_its_moment()


def test_done_flushes_what_the_agent_sent_last() -> None:
    relay = PureRelay()
    agent, validator = running(relay)
    agent.send(Data(1, b"receipt"), Close(1, CloseReason.DONE))
    assert validator.end.fate is Fate.CLOSE
    assert validator.received() == [b"receipt"]


def test_a_slow_validator_that_catches_up_runs_on() -> None:
    relay = PureRelay(send_timeout=10)
    agent, validator = running(relay)
    for _ in range(3):
        agent.send(Data(1, b"."))
        relay.broker.blocked(validator.end, relay.now)
        relay.wait(9.9)
        validator.received()
        relay.broker.unblocked(validator.end)
        agent.send(Pong())
    relay.wait(20)
    assert outcomes(relay) == []
    assert validator.open


def test_frames_of_either_side_keep_a_transaction_from_stalling() -> None:
    relay = PureRelay(stall=10)
    agent, validator = running(relay)
    for _ in range(4):
        relay.wait(9.9)
        validator.feed(encode_frame(b"."))
        relay.wait(9.9)
        agent.send(Data(1, b"."))
    assert outcomes(relay) == []
    validator.feed(b"\0")  # half a frame is none
    relay.wait(10.1)
    assert outcomes(relay) == [RequestOutcome.STALLED]


def test_a_lifetime_shorter_than_the_hold_counts_too() -> None:
    relay = PureRelay(lifetime=1.0)
    agent, validator = running(relay)
    agent.send(Data(1, b"."))
    validator.received()
    relay.wait(0.99)
    assert validator.open
    relay.wait(0.03)
    assert outcomes(relay) == [RequestOutcome.LIFETIME]
    assert validator.reset


def test_one_transactions_end_leaves_the_others_of_its_link_alone() -> None:
    relay = PureRelay()
    agent, validator = running(relay)
    agent.queue(OTHER, number=2)
    other = relay.validator(asking_for(OTHER))
    validator.feed(b"\0\0")
    agent.send(Data(2, b"context"))
    assert other.received() == [b"context"]
    assert len(relay.broker.transactions) == 1
