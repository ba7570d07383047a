"""A broker that goes by another configuration: what runs stays, what comes finds the new one."""

from msgspec.structs import replace

from protocol.messages import AuthRequest, Data, Queued, Refused, RefusedReason
from relay.limits import Limits
from tests.relay.pure_relay import H1, KEY, OTHER, SIGN_ON_ID, TAG, UID, PureRelay, asking_for

OURS = frozenset({UID})


def adopt(relay: PureRelay, limits: Limits, trusted: frozenset[int] = OURS) -> None:
    relay.broker.adopt(limits, KEY, {}, trusted, relay.now)
    relay.look()


def test_what_comes_finds_other_limits() -> None:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    user = relay.validator(asking_for(TAG))
    agent.received()
    adopt(relay, replace(relay.limits, transactions=1, longest_ttl=30, source_burst=1, stall=2))
    agent.send(Data(1, H1))
    assert user.received() == [H1]
    agent.send(AuthRequest(2, SIGN_ON_ID, 31, (OTHER,)), AuthRequest(3, SIGN_ON_ID, 30, (OTHER,)))
    assert agent.received() == [Refused(2, RefusedReason.TTL), Queued(3)]
    assert relay.validator(asking_for(OTHER)).end.state.value == "held", "one runs already"
    assert relay.validator_or_none() is None, "its source has had its one"


def test_the_same_limits_forgive_no_source() -> None:
    relay = PureRelay(source_burst=1)
    relay.validator()
    adopt(relay, relay.limits)
    assert relay.validator_or_none() is None


def test_an_agent_may_queue_at_another_rate() -> None:
    relay = PureRelay(requests_per_agent=1)
    agent = relay.agent()
    agent.queue(TAG)
    adopt(relay, replace(relay.limits, requests_per_agent=2))
    agent.queue(OTHER, number=2)


def test_a_user_whom_no_listener_trusts_any_more_goes() -> None:
    relay = PureRelay()
    stays, goes = relay.agent(), relay.agent(UID + 1)
    adopt(relay, relay.limits)
    assert stays.up
    assert not goes.up
    assert relay.broker.links.attached == 1
