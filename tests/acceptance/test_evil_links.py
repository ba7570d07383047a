"""An evil relay that lies on its link: to the agent it is one relay less, and nothing more.

Each lie is told again for every request that comes, beside an honest relay.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from pam_agent.local_wire import Result
from protocol.frames import encode_frame
from protocol.limits import MAX_LINK_FRAME
from protocol.messages import (
    Attached,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Paired,
    Ping,
    Queued,
    Refused,
    RefusedReason,
)
from tests.acceptance.captive import captive
from tests.support.evil_relay import Deed, EvilRelay, Link, Request, Validator
from validator.outcomes import Outcome

FLOOD = 2000
"""Messages in one write: as much as a link's buffers hold."""

Lie = Callable[[Link, int], Awaitable[None]]


async def paired_twice(link: Link, number: int) -> None:
    await link.say(Queued(number), Paired(number, 0, "a:1"), Paired(number, 0, "a:2"))


async def paired_before_queued(link: Link, number: int) -> None:
    await link.say(Paired(number, 0, "a:1"), Queued(number))


async def data_before_paired(link: Link, number: int) -> None:
    await link.say(Queued(number), Data(number, b"frame"))


async def a_tag_that_is_none(link: Link, number: int) -> None:
    await link.say(Queued(number), Paired(number, 8, "a:1"))


async def an_agents_reason(link: Link, number: int) -> None:
    await link.say(Queued(number), Close(number, CloseReason.DONE))


async def refused_after_queued(link: Link, number: int) -> None:
    await link.say(Queued(number), Refused(number, RefusedReason.QUOTA))


async def attached_again(link: Link, number: int) -> None:
    await link.say(Queued(number), Attached(0, 0), Challenge(bytes(16), bytes(16)))


async def no_frame(link: Link, number: int) -> None:
    await link.say(Queued(number))
    await link.put(b"\0\0")


async def too_long_a_frame(link: Link, number: int) -> None:
    await link.put((MAX_LINK_FRAME + 1).to_bytes(2, "big") + bytes(MAX_LINK_FRAME + 1))


async def no_message(link: Link, number: int) -> None:
    await link.put(encode_frame(b"\xc1" * 100))


async def nothing(link: Link, number: int) -> None:
    """Not even Queued."""


async def queued_and_no_more(link: Link, number: int) -> None:
    await link.say(Queued(number))


async def paired_and_no_more(link: Link, number: int) -> None:
    await link.say(Queued(number), Paired(number, 0, "a:1"))


async def closed_at_once(link: Link, number: int) -> None:
    await link.say(Queued(number), Close(number, CloseReason.EXPIRED))


async def left_again_and_again(link: Link, number: int) -> None:
    await link.say(
        Queued(number), Paired(number, 0, "a:1"), Close(number, CloseReason.VALIDATOR_GONE)
    )


async def a_flood_of_frames(link: Link, number: int) -> None:
    await link.say(Queued(number), Paired(number, 0, "a:1"))
    await link.say(*[Data(number, bytes(2000))] * FLOOD)


async def a_flood_of_pings(link: Link, number: int) -> None:
    await link.say(*[Ping()] * FLOOD, Queued(number))


async def a_flood_for_another_request(link: Link, number: int) -> None:
    await link.say(Queued(number), *[Data(number + 1, b"frame")] * FLOOD)


async def it_drains(link: Link, number: int) -> None:
    await link.say(Drain(), Refused(number, RefusedReason.DRAINING))
    await link.cut()


async def it_hangs_up(link: Link, number: int) -> None:
    await link.cut()


LIES = [
    paired_twice,
    paired_before_queued,
    data_before_paired,
    a_tag_that_is_none,
    an_agents_reason,
    refused_after_queued,
    attached_again,
    no_frame,
    too_long_a_frame,
    no_message,
    nothing,
    queued_and_no_more,
    paired_and_no_more,
    closed_at_once,
    left_again_and_again,
    a_flood_of_frames,
    a_flood_of_pings,
    a_flood_for_another_request,
    it_drains,
    it_hangs_up,
]


class Liar(Deed):
    """Tells its lie for each request, and cuts off every validator."""

    def __init__(self, lie: Lie) -> None:
        self.lie = lie
        self.told = 0

    async def queued(self, evil: EvilRelay, request: Request) -> None:
        self.told += 1
        await self.lie(request.link, request.asked.request)

    async def came(self, evil: EvilRelay, validator: Validator) -> Request | None:
        return None


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_beside_an_honest_relay(tmp_path: Path, lie: Lie) -> None:
    deed = Liar(lie)
    async with captive(tmp_path, deed, with_honest=True) as parts:
        for _ in range(3):
            assert await parts.sign_on() == (Outcome.SIGNED_ON, "approved")
        assert deed.told >= 1
        await parts.check_honest()


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_alone(tmp_path: Path, lie: Lie) -> None:
    """Nobody is let in, everything ends in its time, and what comes after it is as it was."""
    async with captive(tmp_path, Liar(lie), queue=0.3, validation=0.3) as parts:
        async with parts.agent.call(parts.phone.record.user) as caller:
            with trio.fail_after(5):
                assert await caller.result() in (Result.DENIED, Result.UNAVAILABLE)
        await parts.check_honest()
