"""Ends that break off at any point, in crowds, on real sockets. Nothing may be left of them."""

import contextlib
import math
import random
import socket
import struct
from pathlib import Path

import pytest
import trio

from protocol.frames import encode_frame
from protocol.messages import Close, CloseReason, Data, Paired, Queued, Refused, Reject
from relay.broker import Broker
from relay.limits import Limits
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from tests.relay.real_ends import Agent, asking_for, attached, connected
from tests.support.relay import RunningRelay, start_relay

VALIDATORS = 300
AGENTS = 4


def _left(broker: Broker) -> int:
    """Validators that are still there."""
    return broker.door.incomplete + broker.door.held + len(broker.transactions)


def tag(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def validator(relay: RunningRelay, number: int, dice: random.Random) -> None:
    # On a busy machine the hold may be over before it has said a word.
    with contextlib.suppress(OSError, trio.BrokenResourceError):
        await come_and_go(relay, number, dice)


async def come_and_go(relay: RunningRelay, number: int, dice: random.Random) -> None:
    """Goes some way into a sign-on, then leaves in one of the ways there are."""
    data = asking_for(tag(number)) + encode_frame(b"h1") + encode_frame(b"decision")
    cut = dice.choice([len(data), len(data), dice.randrange(len(data))])
    await trio.sleep(dice.random() / 5)
    async with connected(relay.validators, data[:cut]) as user:
        with trio.move_on_after(dice.choice([dice.random() / 10, math.inf])):
            await user.end()
        way = dice.choice(["reset", "close one half", "close", "close"])
        if way == "reset":
            nothing = struct.pack("ii", 1, 0)
            user.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, nothing)
        elif way == "close one half":
            with trio.move_on_after(0.1), contextlib.suppress(trio.BrokenResourceError):
                await user.stream.send_eof()
                await user.end()


async def agent(relay: RunningRelay, own: range, dice: random.Random) -> None:
    """Answers, rejects, closes and hangs up as it likes; comes back and queues what is left."""
    left = set(own)
    while left:
        async with attached(relay) as link:
            for number in left:
                await link.send_request(tag(number), number=number)
            await answer(link, left, dice, dice.randrange(100, 400))


async def answer(link: Agent, left: set[int], dice: random.Random, messages: int) -> None:
    paired: set[int] = set()
    for _ in range(messages):
        match await link.receive():
            case Paired(number, _, _):
                paired.add(number)
            case Data(number, frame) if number in paired:
                if frame == b"h1":
                    await link.send(Data(number, b"x" * dice.choice([1, 1500])))
                if dice.random() < 0.2:
                    await link.send(Reject(number))
                    paired.remove(number)
                elif frame != b"h1":
                    await link.send(Close(number, CloseReason.DONE))
                    paired.remove(number)
                    left.remove(number)
            case Close(number, _):
                paired.discard(number)
                left.discard(number)
            case Refused() as refused:
                pytest.fail(f"{refused}")
            case Queued() | Data():
                pass
        if not left:
            return


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_left_of_ends_that_break_off(
    nursery: trio.Nursery, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    limits = Limits(hold=0.5, hold_jitter=0.1, stall=1)
    relay = await start_relay(nursery, tmp_path, limits=limits)
    broker = relay.relay.broker
    async with trio.open_nursery() as agents:
        for first in range(AGENTS):
            own = range(first, VALIDATORS, AGENTS)
            agents.start_soon(agent, relay, own, random.Random(seed * 10 + first))
        async with trio.open_nursery() as crowd:
            for number in range(VALIDATORS):
                crowd.start_soon(validator, relay, number, random.Random(dice.random()))
        with trio.fail_after(10):
            while _left(broker):  # noqa: ASYNC110
                await trio.sleep(0.02)
        agents.cancel_scope.cancel()
    with trio.fail_after(10):
        while relay.relay.switch.connections:  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert len(broker.requests) == len(broker.links) == 0
    ended = {record.outcome for record in relay.records if isinstance(record, RequestEnded)}
    assert {RequestOutcome.DONE, RequestOutcome.VALIDATOR_GONE} <= ended, "the crowd was too tame"
