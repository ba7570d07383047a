"""The events of one request at several relays; the links are real, and connected to nothing."""

from dataclasses import dataclass, field
from typing import cast

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from trio.testing import MockClock, wait_all_tasks_blocked

from pam_agent.fan_out import LOOK_AGAIN, FanOut
from pam_agent.host import Host
from pam_agent.link_events import Event, LinkLost, WasClosed, WasQueued, WasRefused
from pam_agent.relay_link import RelayEvent, RelayLink, RequestHandle
from protocol.address import UnixAddress
from protocol.messages import CloseReason, RefusedReason

TAG = b"the tag of one.."
REFUSED = WasRefused(RefusedReason.QUOTA)
CLOSED = WasClosed(CloseReason.EXPIRED)


def unconnected(name: str) -> RelayLink:
    own = X25519PrivateKey.generate()
    return RelayLink(UnixAddress(f"/{name}"), None, own, 7, trio.current_time)


@dataclass
class Relays:
    """What a FanOut asks of a host."""

    links: tuple[RelayLink, ...] = field(
        default_factory=lambda: (unconnected("one"), unconnected("two"))
    )
    asleep: float = 0.0

    def clock(self) -> float:
        return trio.current_time() + self.asleep


class Fanned:
    def __init__(self) -> None:
        self.relays = Relays()
        self.requests = FanOut(cast(Host, self.relays), b"sign-on1", (TAG,))
        self.requests.submit(trio.current_time() + 60)

    def handle(self, number: int) -> RequestHandle:
        (handle,) = self.relays.links[number]._handles.values()
        return handle

    def happens(self, number: int, event: Event) -> RequestHandle:
        """An event at one of the two."""
        handle = self.handle(number)
        handle.link._deliver(handle.request, event)
        return handle

    async def next(self, seconds: float = 10) -> RelayEvent | None:
        return await self.requests.next(self.relays.clock() + seconds)


@pytest.fixture
async def fanned() -> Fanned:
    return Fanned()


async def test_events_come_in_their_order_and_are_counted_down(fanned: Fanned) -> None:
    one, two = fanned.happens(0, WasQueued()), fanned.happens(1, WasQueued())
    fanned.happens(0, LinkLost())
    assert (one.waiting, two.waiting) == (2, 1)
    assert await fanned.next() == RelayEvent(one, WasQueued())
    assert await fanned.next() == RelayEvent(two, WasQueued())
    assert await fanned.next() == RelayEvent(one, LinkLost())
    assert (one.waiting, two.waiting) == (0, 0)


@pytest.mark.parametrize("last", [REFUSED, CLOSED])
async def test_nobody_waits_when_no_relay_is_left(
    fanned: Fanned, last: Event, mock_clock: MockClock
) -> None:
    fanned.happens(0, last)
    fanned.happens(1, last)
    with trio.fail_after(1):
        assert not await fanned.requests.queued(fanned.relays.clock() + 10)


async def test_one_relay_is_enough(fanned: Fanned) -> None:
    fanned.happens(0, REFUSED)
    fanned.happens(1, LinkLost())
    fanned.happens(1, WasQueued())
    assert await fanned.requests.queued(fanned.relays.clock() + 10)


async def test_what_came_for_a_withdrawn_request_is_of_no_interest(
    fanned: Fanned, mock_clock: MockClock
) -> None:
    mock_clock.autojump_threshold = 0
    fanned.happens(0, WasQueued())
    kept = fanned.happens(1, WasQueued())
    fanned.requests.withdraw(keep=kept)
    assert await fanned.next() == RelayEvent(kept, WasQueued())
    fanned.happens(1, LinkLost())
    fanned.requests.done(kept)
    assert await fanned.next() is None
    assert [link.requests for link in fanned.relays.links] == [0, 0]


async def test_nothing_comes_from_the_deadline_on_but_it_stays(
    fanned: Fanned, mock_clock: MockClock
) -> None:
    mock_clock.autojump_threshold = 0
    deadline = trio.current_time() + 7
    assert await fanned.requests.next(deadline) is None
    assert trio.current_time() == deadline
    handle = fanned.happens(0, WasQueued())
    assert await fanned.requests.next(deadline) is None
    assert await fanned.next() == RelayEvent(handle, WasQueued())


async def test_a_deadline_that_passed_in_the_hosts_sleep_is_seen(
    fanned: Fanned, mock_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fanned.next, 3600)
        await wait_all_tasks_blocked()
        fanned.relays.asleep = 3600
        mock_clock.jump(LOOK_AGAIN)


async def test_a_request_that_ended_is_queued_again_until_the_same_moment(fanned: Fanned) -> None:
    ended = fanned.happens(0, CLOSED)
    await fanned.next()
    fanned.requests.submit_again(ended)
    again = fanned.handle(0)
    assert again is not ended
    assert (again.request.tags, again.request.expires) == ((TAG,), ended.request.expires)
    fanned.happens(0, WasQueued())
    assert await fanned.next() == RelayEvent(again, WasQueued())
