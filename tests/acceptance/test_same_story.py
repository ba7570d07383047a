"""`bartizan-relay why` and `bartizan-agent why` tell the same story of the same sign-on.

Real relay, real agent, and every word for a request's end that these can come to.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from daemons.admin_client import ask_daemon
from pam_agent import admin_client
from pam_agent.admin_wire import Why as AskAgent
from pam_agent.explanations import SIGN_ONS
from pam_agent.outcomes import SignOnEnd
from pam_agent.report import story_lines as agents_lines
from pam_agent.server import boot_time
from pam_agent.sign_ons import Story
from protocol.limits import MAX_REJECTS, MAX_TRANSACTION_FRAMES
from relay.admin_wire import Ended, decode_reply
from relay.admin_wire import Why as AskRelay
from relay.explanations import REQUESTS
from relay.limits import Limits
from relay.outcomes import RequestOutcome
from relay.oversight import oversee
from relay.report import story_lines as relays_lines
from tests.support.bare_validator import bare_validator, is_reset, opening, tag_of
from tests.support.caller import Caller
from tests.support.lost_side import lost_side
from tests.support.patience import until
from tests.support.quiet_book import a_book
from tests.support.together import Together, ends, timers, together

GARBAGE: Final = b"g" * 80


async def done(parts: Together, caller: Caller) -> None:
    async with parts.phone.attempt(await caller.passcode()) as attempt:
        await attempt.context()
        await attempt.outcome()
        await attempt.confirm()
        await attempt.gone()


async def withdrawn(_parts: Together, caller: Caller) -> None:
    await caller.passcode()
    await caller.stream.aclose()


async def nobody_comes(_parts: Together, caller: Caller) -> None:
    await caller.passcode()


async def rejected(parts: Together, caller: Caller) -> None:
    tag = tag_of(parts.phone, await caller.passcode())
    for _ in range(MAX_REJECTS + 1):
        async with bare_validator(parts.relay, tag, GARBAGE) as connection:
            await is_reset(connection)


async def device_is_silent(parts: Together, caller: Caller) -> None:
    async with parts.phone.attempt(await caller.passcode()) as attempt:
        await attempt.context()
        await attempt.gone()


async def too_many_frames(parts: Together, caller: Caller) -> None:
    tag = tag_of(parts.phone, await caller.passcode())
    frames = [b"f"] * (MAX_TRANSACTION_FRAMES + 1)
    async with bare_validator(parts.relay, tag, *frames) as connection:
        await is_reset(connection)


async def no_frame(parts: Together, caller: Caller) -> None:
    tag = tag_of(parts.phone, await caller.passcode())
    address = parts.relay.validators
    async with await trio.open_tcp_stream(address.host, address.port) as connection:
        await connection.send_all(opening(tag) + b"\xff" * 8)
        await is_reset(connection)


async def device_leaves(parts: Together, caller: Caller) -> None:
    async with parts.phone.attempt(await caller.passcode()) as attempt:
        await attempt.context()


async def link_ends(parts: Together, caller: Caller) -> None:
    await caller.passcode()
    (link,) = parts.relay.relay.broker.links
    parts.relay.relay.broker.link_gone(link, trio.current_time())
    parts.relay.relay.switch.wake()


async def network_forgets(parts: Together, caller: Caller) -> None:
    await caller.passcode()
    link = await lost_side(parts)
    await link.forget()
    await until(lambda: RequestOutcome.REPLACED in ends(parts.relay))


async def relay_stops(parts: Together, caller: Caller) -> None:
    await caller.passcode()
    parts.relay.relay.drain()


@dataclass
class Way:
    """How to come to a relay's word, and what the agent says of the sign-on in the end."""

    scenario: Callable[[Together, Caller], Awaitable[None]]
    agent: SignOnEnd
    settings: dict[str, Any] = field(default_factory=dict)


SHORT: Final = {"timers": timers(validation=1.0)}
LONGER: Final = {"timers": timers(validation=3.0)}
"""Long enough for a link to be lost twice."""


def slow_clock() -> float:
    """An agent that counts a request's time more slowly than the relay does."""
    return boot_time() / 5


WAYS: Final = {
    RequestOutcome.DONE: Way(done, SignOnEnd.APPROVED),
    RequestOutcome.WITHDRAWN: Way(withdrawn, SignOnEnd.CANCELLED),
    RequestOutcome.EXPIRED: Way(
        nobody_comes,
        SignOnEnd.EXPIRED,
        {"timers": timers(queue=0.5, validation=0.4), "clock": slow_clock},
    ),
    RequestOutcome.REPLACED: Way(network_forgets, SignOnEnd.EXPIRED, LONGER),
    RequestOutcome.REJECTED_TOO_OFTEN: Way(
        rejected, SignOnEnd.EXPIRED, {"limits": Limits(hold=0.05, hold_jitter=0.001), **SHORT}
    ),
    RequestOutcome.STALLED: Way(
        device_is_silent,
        SignOnEnd.UNDECIDED,
        {"limits": Limits(stall=0.3), "timers": timers(acknowledgement=1.0, validation=1.0)},
    ),
    RequestOutcome.LIFETIME: Way(
        device_is_silent,
        SignOnEnd.UNDECIDED,
        {"limits": Limits(lifetime=0.3), "timers": timers(acknowledgement=1.0, validation=1.0)},
    ),
    RequestOutcome.FRAMES: Way(too_many_frames, SignOnEnd.EXPIRED, SHORT),
    RequestOutcome.MALFORMED: Way(no_frame, SignOnEnd.EXPIRED, SHORT),
    RequestOutcome.VALIDATOR_GONE: Way(
        device_leaves, SignOnEnd.UNDECIDED, {"timers": timers(acknowledgement=0.5, validation=1.0)}
    ),
    RequestOutcome.AGENT_GONE: Way(link_ends, SignOnEnd.EXPIRED, SHORT),
    RequestOutcome.DRAINED: Way(relay_stops, SignOnEnd.EXPIRED, SHORT),
}
NOT_WITH_OUR_AGENT: Final = {
    RequestOutcome.NOT_READING,  # all that an agent of ours sends fits into a socket's buffers
}
"""tests/relay has them with scripted ends."""


def test_every_word_has_its_way() -> None:
    assert set(WAYS) | NOT_WITH_OUR_AGENT == set(RequestOutcome)


@pytest.mark.parametrize("outcome", WAYS)
async def test_both_tell_the_same_story(outcome: RequestOutcome, tmp_path: Path) -> None:
    way = WAYS[outcome]
    async with together(tmp_path, **way.settings) as parts:
        relay = parts.relay.relay
        admin = tmp_path / "relay-admin.sock"
        relay.plan = replace(relay.plan, admin_socket=admin)
        await parts.nursery.start(oversee, relay, a_book())
        async with parts.agent.call() as caller:
            await way.scenario(parts, caller)
            line = await parts.log.event("sign-on ended")
        sign_on_id = line["sign_on_id"]
        await parts.agent.idle()
        await until(lambda: not relay.broker.requests)
        agents = parts.agent.config.admin_socket
        [story] = await trio.to_thread.run_sync(
            lambda: list(admin_client.ask(agents, AskAgent(sign_on_id)))
        )
        replies = await trio.to_thread.run_sync(
            lambda: list(ask_daemon("relay", admin, AskRelay(sign_on_id), decode_reply))
        )
    assert isinstance(story, Story)
    assert story.outcome == way.agent.value
    found = [reply for reply in replies if isinstance(reply, Ended)]
    assert found == replies
    words = [reply.outcome for reply in found]
    assert outcome in words
    # What the relay promises of the agent, and the agent of the relay, of the end that counts.
    assert not REQUESTS[words[-1]].agent or story.outcome in REQUESTS[words[-1]].agent
    allowed = {
        *SIGN_ONS[way.agent].relay,
        *(x.value for x in RequestOutcome if not REQUESTS[x].agent),
    }
    assert {word.value for word in words} <= allowed
    assert {reply.sign_on_id for reply in found} == {story.sign_on_id}
    said = "\n".join(relays_lines(sign_on_id, replies))
    assert f"request {sign_on_id} of " in said
    assert f": {outcome.value}\n  {REQUESTS[outcome].meaning}" in said
    assert f"sign-on {sign_on_id}: {way.agent.value}" in "\n".join(agents_lines(story))
