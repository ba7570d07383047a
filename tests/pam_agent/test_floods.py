"""Who begins sign-ons and leaves them can keep others out, and can let nobody in.

PAM_AUTHINFO_UNAVAIL may let the rest of a stack decide, so no caller may bring it about.
"""

from pathlib import Path

from pam_agent import host as hosts
from pam_agent.buckets import Buckets
from pam_agent.local_wire import Result
from relay.limits import Limits
from tests.support.together import Together, signs_on, timers, together

SLOW = Limits(requests_per_agent=2, request_rate=0.001)
"""Four requests at once, and then none for the life of a test."""


async def begun_and_left(parts: Together, times: int) -> None:
    before = len(parts.log.named("sign-on ended"))
    for number in range(times):
        async with parts.agent.call() as caller:
            await caller.passcode()
        await parts.ended("cancelled", before + number + 1)


async def test_a_relay_that_was_asked_too_often_is_no_leave_to_go_on(tmp_path: Path) -> None:
    async with together(tmp_path, limits=SLOW) as parts:
        await begun_and_left(parts, 4)
        async with parts.agent.call("root") as caller:
            assert await caller.result() is Result.DENIED
        line = await parts.ended("not-queued", 5)
        story = parts.agent.host.sign_ons.find(line["sign_on_id"], parts.agent.host.clock())
        assert story is not None
        assert list(story.relays.values()) == ["refused: quota"]


async def test_nor_is_one_that_has_not_answered_in_time(tmp_path: Path) -> None:
    """As it is when the host is busy: the link is up, and nobody says that it is not."""
    async with together(tmp_path, timers=timers(queue=0.1)) as parts:
        (link,) = parts.agent.host.links
        link.wake = lambda: None  # type: ignore[method-assign]
        async with parts.agent.call() as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("not-queued")
        del link.wake


async def test_so_many_for_an_account_and_no_more(tmp_path: Path) -> None:
    """Those that are left. What somebody was let in by costs nothing in the end."""
    async with together(tmp_path) as parts:
        few: Buckets[str] = Buckets(3, 1e6, 10)
        object.__setattr__(parts.agent.host, "requests", few)
        async with parts.agent.call() as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        await begun_and_left(parts, 3)
        async with parts.agent.call() as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("too-many", 5)
        async with parts.agent.call("root") as caller:
            await caller.passcode()
        await parts.ended("cancelled", 6)


def test_one_account_leaves_the_relay_to_the_others() -> None:
    """Of what a relay takes of one agent, by both defaults."""
    limits = Limits()
    assert limits.requests_per_agent * 2 / 4 >= hosts.REQUEST_BURST
    assert limits.request_rate / 8 >= 1 / hosts.REQUEST_SECONDS
