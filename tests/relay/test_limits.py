"""Every limit stops something: one more than it allows is tried, and one less is not stopped.

A limit that exists and has no case here fails: a limit that nothing reaches is deleted.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import trio
import trio.testing

from protocol.frames import encode_frame
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Drain,
    Refused,
    RefusedReason,
)
from relay.limits import Limits
from tests.relay.pure_relay import SIGN_ON_ID, TAG, PureRelay, asking_for
from tests.relay.real_ends import attached, paired
from tests.support.relay import start_relay

Case = Callable[[float], bool]
"""Whether a limit of that much stops the same thing, once more or a little later each time."""

CASES: Final[dict[str, tuple[Case, float, float]]] = {}


def case(enough: float, too_little: float) -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES[function.__name__] = (function, enough, too_little)
        return function

    return register


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_every_limit_stops_what_is_over_it_and_nothing_else(name: str) -> None:
    stopped, enough, too_little = CASES[name]
    assert not stopped(enough)
    assert stopped(too_little)


def test_no_limit_can_be_zero_or_absurd() -> None:
    for name in Limits.__struct_fields__:
        for value in (0, -1, 10**9):
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({name: value}, Limits)


@case(enough=2, too_little=1)
def links(limit: float) -> bool:
    relay = PureRelay(links=int(limit))
    relay.agent()
    return not relay.link().link.requests and len(relay.broker.links) < 2


@case(enough=3.1, too_little=2.9)
def link_setup(limit: float) -> bool:
    relay = PureRelay(link_setup=limit)
    relay.link()
    relay.wait(3)
    return len(relay.broker.links) == 0


@case(enough=3000, too_little=2000)
def link_buffer(limit: float) -> bool:
    relay = PureRelay(link_buffer=int(limit))
    agent = relay.agent()
    agent.queue(TAG)
    relay.validator(asking_for(TAG), encode_frame(bytes(2048)))
    relay.broker.blocked(agent.link, relay.now)
    return not agent.up


def _refused(relay: PureRelay, ttl: int = 60) -> bool:
    agent = relay.agent()
    for number in range(3):
        agent.send(AuthRequest(number, SIGN_ON_ID, ttl, (bytes([number]) * 16,)))
    return any(isinstance(message, Refused) for message in agent.received())


@case(enough=3, too_little=2)
def requests(limit: float) -> bool:
    return _refused(PureRelay(requests=int(limit)))


@case(enough=3, too_little=2)
def requests_per_agent(limit: float) -> bool:
    return _refused(PureRelay(requests_per_agent=int(limit)))


@case(enough=1.1, too_little=0.9)
def request_rate(limit: float) -> bool:
    relay = PureRelay(requests_per_agent=1, request_rate=limit)
    agent = relay.agent()
    for _ in range(2):  # at once
        agent.queue(TAG)
        agent.send(Close(1, CloseReason.WITHDRAWN))
    relay.wait(1)
    agent.send(AuthRequest(1, SIGN_ON_ID, 60, (TAG,)))
    return Refused(1, RefusedReason.QUOTA) in agent.received()


@case(enough=60, too_little=59)
def longest_ttl(limit: float) -> bool:
    return _refused(PureRelay(longest_ttl=int(limit)))


@case(enough=2, too_little=1)
def incomplete(limit: float) -> bool:
    relay = PureRelay(incomplete=int(limit))
    first = relay.validator()
    relay.validator()
    return first.reset


@case(enough=2, too_little=1)
def held(limit: float) -> bool:
    relay = PureRelay(held=int(limit))
    first = relay.validator(asking_for(TAG))
    relay.validator(b"rubbish")
    return first.reset


def _refused_at_last(relay: PureRelay, of_one: str) -> bool:
    """Whether the fourth of one source, or of one network, is."""
    for number in range(3):
        relay.source = bytes((198, 51, 100, 7 if of_one == "source" else number))
        relay.validator().leave()
    return relay.validator_or_none() is None


LEISURELY: Final[dict[str, Any]] = {"source_rate": 1e-6, "network_rate": 1e-6, "silent_price": 1.0}


@case(enough=1.1, too_little=0.9)
def source_rate(limit: float) -> bool:
    relay = PureRelay(source_burst=1, source_rate=limit, silent_price=1.0)
    relay.validator().leave()
    relay.wait(1)
    return relay.validator_or_none() is None


@case(enough=4, too_little=3)
def source_burst(limit: float) -> bool:
    relay = PureRelay(**LEISURELY | {"source_burst": int(limit)})
    return _refused_at_last(relay, "source")


@case(enough=1.1, too_little=0.9)
def network_rate(limit: float) -> bool:
    relay = PureRelay(network_burst=1, network_rate=limit, silent_price=1.0)
    relay.validator().leave()
    relay.wait(1)
    return relay.validator_or_none() is None


@case(enough=4, too_little=3)
def network_burst(limit: float) -> bool:
    relay = PureRelay(**LEISURELY | {"network_burst": int(limit)})
    return _refused_at_last(relay, "network")


@case(enough=1.1, too_little=0.9)
def crowd_rate(limit: float) -> bool:
    relay = PureRelay(crowd_burst=1, crowd_rate=limit, silent_price=100)
    relay.validator().leave()
    relay.wait(1)
    return relay.validator_or_none() is None


@case(enough=2, too_little=1)
def crowd_burst(limit: float) -> bool:
    relay = PureRelay(crowd_burst=int(limit), crowd_rate=1e-6)
    relay.validator()
    return relay.validator_or_none() is None


@case(enough=2, too_little=1)
def unanswered_per_source(limit: float) -> bool:
    relay = PureRelay(unanswered_per_source=int(limit))
    relay.validator()
    return relay.validator_or_none() is None


@case(enough=2, too_little=1)
def unanswered_per_network(limit: float) -> bool:
    relay = PureRelay(unanswered_per_network=int(limit))
    relay.validator()
    relay.source = bytes((198, 51, 100, 8))
    return relay.validator_or_none() is None


@case(enough=3, too_little=3.1)
def silent_price(limit: float) -> bool:
    relay = PureRelay(**LEISURELY | {"source_burst": 4, "silent_price": limit})
    relay.validator().leave()
    return relay.validator_or_none() is None


@case(enough=3, too_little=3.1)
def unmatched_price(limit: float) -> bool:
    relay = PureRelay(**LEISURELY | {"source_burst": 4, "unmatched_price": limit})
    relay.validator(asking_for(TAG)).leave()
    return relay.validator_or_none() is None


@case(enough=3, too_little=3.1)
def malformed_price(limit: float) -> bool:
    relay = PureRelay(**LEISURELY | {"source_burst": 4, "malformed_price": limit})
    relay.validator(b"rubbish").leave()
    return relay.validator_or_none() is None


@case(enough=59, too_little=61)
def longest_refusal(limit: float) -> bool:
    relay = PureRelay(longest_refusal=limit, malformed_price=1e6)
    relay.validator(b"rubbish").leave()
    relay.wait(60)
    return relay.validator_or_none() is None


@case(enough=2, too_little=1)
def sources(limit: float) -> bool:
    """Whether one is forgotten when another comes."""
    relay = PureRelay(**LEISURELY | {"sources": int(limit), "source_burst": 1})
    relay.validator()
    relay.source = bytes((203, 0, 113, 7))
    relay.validator()
    relay.source = bytes((198, 51, 100, 7))
    return relay.validator_or_none() is not None


@case(enough=3.1, too_little=2.9)
def hold(limit: float) -> bool:
    relay = PureRelay(hold=limit)
    validator = relay.validator(asking_for(TAG))
    relay.wait(3)
    return validator.reset


@case(enough=0.6, too_little=0.4)
def hold_jitter(limit: float) -> bool:
    relay = PureRelay(hold=3, hold_jitter=limit, jitter=lambda: 1.0)
    validator = relay.validator(asking_for(TAG))
    relay.wait(3.5)
    return validator.reset


def _waits(relay: PureRelay, seconds: float) -> bool:
    """Whether a transaction that was answered is over by then."""
    agent = relay.agent()
    agent.queue(TAG)
    validator = relay.validator(asking_for(TAG))
    agent.send(Data(1, b"."))
    relay.broker.blocked(validator.end, relay.now)
    relay.wait(seconds)
    return any(isinstance(message, Close) for message in agent.received())


@case(enough=2, too_little=1)
def transactions(limit: float) -> bool:
    relay = PureRelay(transactions=int(limit))
    _waits(relay, 0)
    agent = relay.agent()
    agent.queue(b"a tag that waits", number=1)
    return relay.validator(asking_for(b"a tag that waits")).end.transaction is None


@case(enough=3.1, too_little=2.9)
def stall(limit: float) -> bool:
    return _waits(PureRelay(stall=limit), 3)


@case(enough=3.1, too_little=2.9)
def lifetime(limit: float) -> bool:
    return _waits(PureRelay(lifetime=limit), 3)


@case(enough=3.1, too_little=2.9)
def send_timeout(limit: float) -> bool:
    return _waits(PureRelay(send_timeout=limit), 3)


@case(enough=3.1, too_little=2.9)
def drain(limit: float) -> bool:
    """A transaction that does not end by itself, on real sockets."""
    clock = trio.testing.MockClock()

    async def main() -> bool:
        with tempfile.TemporaryDirectory() as directory:
            async with trio.open_nursery() as nursery:
                relay = await start_relay(nursery, Path(directory), limits=Limits(drain=limit))
                async with attached(relay) as agent:
                    await agent.queue()
                    async with paired(relay, agent):
                        relay.relay.drain()
                        assert await agent.receive() == Drain()
                        clock.jump(3)
                        await trio.testing.wait_all_tasks_blocked()
                        over = relay.relay.switch.connections == 0
                nursery.cancel_scope.cancel()
        return over

    return trio.run(main, clock=clock)
