"""Uniform rejection, measured from outside on real sockets.

Every class of validator that is no good is tried many times at once. Seen from its end nothing may
tell them apart: no byte, a reset and no plain close, at the same moment within the jitter.
"""

import random
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from protocol.frames import encode_frame, encode_preface
from protocol.messages import Close, CloseReason, Data, Ping, Reject
from relay.limits import Limits
from relay.outcomes import RequestOutcome, ValidatorOutcome
from relay.records import Repeated, RequestEnded, ValidatorEnded
from tests.relay.real_ends import Agent, asking_for, attached, connected, frames, paired
from tests.support.relay import RunningRelay, start_relay

HOLD: Final = 0.6
JITTER: Final = 0.02
SAMPLES: Final = 9
TOLERANCE: Final = 0.1
"""Seconds between the medians of two classes: what two busy cores may add, and well below what
any class would differ by if its moment were reckoned from anything but its own arrival."""

THINKING: Final = 0.25
"""Seconds until the agent of these tests has seen that a validator is no good."""

H1: Final = encode_frame(b"h" * 80)


def tag(kind: str, sample: int) -> bytes:
    return f"{kind} {sample}".encode().ljust(16)


CLASSES: Final[dict[str, Callable[[int], bytes]]] = {
    "unknown": lambda n: asking_for(tag("unknown", n)) + H1,
    "expired": lambda n: asking_for(tag("expired", n)) + H1,
    "taken": lambda n: asking_for(tag("taken", 0)) + H1,
    "rejected": lambda n: asking_for(tag("rejected", n)) + H1,
    "withdrawn": lambda n: asking_for(tag("withdrawn", n)) + H1,
    "malformed": lambda n: encode_preface(7) + encode_frame(b"\xc1") + H1,
    "empty frame": lambda n: encode_preface(7) + b"\0\0" + H1,
    "other message": lambda n: encode_preface(7) + frames(Ping()) + H1,
    "malformed H1": lambda n: asking_for(tag("bad H1", n)) + b"\0\0",
    "wrong version": lambda n: b"BTZN\2\7" + asking_for(tag("unknown", n))[6:] + H1,
    "random bytes": lambda n: random.randbytes(random.randint(6, 3000)),
    "half a frame": lambda n: asking_for(tag("unknown", n))[:-1],
    "half a preface": lambda n: b"BTZ",
    "silent": lambda n: b"",
}


async def queue_everything(agent: Agent) -> None:
    """Each request's number says what is to become of its validator."""
    for n in range(SAMPLES):
        await agent.queue(tag("expired", n), number=n, ttl=1)
    for n in range(SAMPLES):
        assert await agent.receive() == Close(n, CloseReason.EXPIRED)
    for n in range(SAMPLES):
        await agent.queue(tag("rejected", n), number=100 + n)
        await agent.queue(tag("withdrawn", n), number=200 + n)
        await agent.queue(tag("bad H1", n), number=300 + n)
    await agent.queue(tag("taken", 0), number=400)


async def be_hard_to_please(agent: Agent) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            message = await agent.receive()
            if isinstance(message, Data):
                nursery.start_soon(think_and_refuse, agent, message.request)


async def think_and_refuse(agent: Agent, number: int) -> None:
    await trio.sleep(THINKING)
    rejected = number < 200
    await agent.send(Reject(number) if rejected else Close(number, CloseReason.WITHDRAWN))


async def watch(relay: RunningRelay, data: bytes, ends: list[tuple[str, float]]) -> None:
    began = trio.current_time()
    async with connected(relay.validators, data) as validator:
        ends.append((await validator.end(), trio.current_time() - began))


async def test_all_that_are_no_good_look_the_same(tmp_path: Path) -> None:
    limits = Limits(hold=HOLD, hold_jitter=JITTER)
    ends: dict[str, list[tuple[str, float]]] = {name: [] for name in CLASSES}
    async with trio.open_nursery() as nursery:
        relay = await start_relay(nursery, tmp_path, limits=limits)
        async with attached(relay) as agent:
            await queue_everything(agent)
            async with paired(relay, agent, tag("taken", 0)), trio.open_nursery() as background:
                background.start_soon(be_hard_to_please, agent)
                async with trio.open_nursery() as strangers:
                    for sample in range(SAMPLES):
                        for name, data in CLASSES.items():
                            strangers.start_soon(watch, relay, data(sample), ends[name])
                background.cancel_scope.cancel()
        relay.relay.drain()

    assert {end for each in ends.values() for end, _ in each} == {"reset"}
    medians = {name: statistics.median(after for _, after in each) for name, each in ends.items()}
    assert max(medians.values()) - min(medians.values()) < TOLERANCE, medians
    assert min(after for each in ends.values() for _, after in each) >= HOLD - 0.01

    # That each class was what it was meant to be.
    words: Counter[RequestOutcome | ValidatorOutcome] = Counter()
    for record in relay.records:
        if isinstance(record, Repeated):
            words[ValidatorOutcome(record.outcome)] += record.count
        elif isinstance(record, ValidatorEnded | RequestEnded):
            words[record.outcome] += 1
    del words[RequestOutcome.AGENT_GONE]
    assert words == {
        RequestOutcome.VALIDATOR_GONE: 1,  # the one that had taken a request
        RequestOutcome.EXPIRED: SAMPLES,
        RequestOutcome.WITHDRAWN: SAMPLES,
        RequestOutcome.MALFORMED: SAMPLES,
        ValidatorOutcome.UNMATCHED: 3 * SAMPLES,
        ValidatorOutcome.REJECTED: SAMPLES,
        ValidatorOutcome.MALFORMED: 5 * SAMPLES,
        ValidatorOutcome.SILENT: 3 * SAMPLES,
    }


async def test_the_jitter_is_used(nursery: trio.Nursery, tmp_path: Path) -> None:
    relay = await start_relay(nursery, tmp_path, limits=Limits(hold=0.1, hold_jitter=0.5))
    ends: list[tuple[str, float]] = []
    async with trio.open_nursery() as strangers:
        for _ in range(40):
            strangers.start_soon(watch, relay, b"rubbish", ends)
    after = sorted(seconds for _, seconds in ends)
    assert after[0] >= 0.09
    assert after[30] - after[10] > 0.1  # half of them within 0.1 s of 0.5: 1 in 10 000 million
    assert len({round(seconds, 2) for seconds in after}) > 5


async def test_a_validator_that_was_answered_is_reset_at_once(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    """It is no stranger, and need not wait for what its user can see already."""
    relay = await start_relay(nursery, tmp_path)
    async with attached(relay) as agent:
        await agent.queue(tag("answered", 0))
        async with paired(relay, agent, tag("answered", 0)) as validator:
            await agent.send(Data(1, b"context"))
            assert await validator.receive() == b"context"
            began = trio.current_time()
            await agent.send(Close(1, CloseReason.WITHDRAWN))
            assert await validator.end() == "reset"
            assert trio.current_time() - began < 4
