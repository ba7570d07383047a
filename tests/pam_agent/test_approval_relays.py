"""One approval at several real relays."""

from pathlib import Path

import trio

from pam_agent.local_wire import Result
from protocol.signon_messages import SignOnOutcome
from relay.limits import Limits
from relay.outcomes import RequestOutcome
from tests.support.phone import Phone, enrolled
from tests.support.together import QUICK_HOLD, ends, signs_on, timers, together
from validator.connection import EndedError
from validator.outcomes import Outcome


async def test_the_first_good_validator_wins_and_the_other_relays_are_told(tmp_path: Path) -> None:
    async with together(tmp_path, relays=2, limits=QUICK_HOLD) as parts:
        second = f"127.0.0.1:{parts.relays[1].validators.port}"
        other = await enrolled(parts.agent.host, name="tablet")
        async with parts.agent.call() as caller:
            code = await caller.passcode()
            async with parts.phone.attempt(code, second) as attempt:
                await attempt.context()
                # Another good device, at the other relay, is too late: nothing waits there.
                assert (await other.sign_on(code)).outcome is Outcome.NO_SUCH_SIGN_ON
                assert await attempt.outcome() is SignOnOutcome.SIGNED_ON
                await attempt.confirm()
            assert await caller.result() is Result.APPROVED
        line = await parts.ended("approved")
        assert line["relay"] == str(parts.agent.host.links[1].address)
        assert ends(parts.relays[0]) == [RequestOutcome.WITHDRAWN]


async def test_two_good_validators_at_two_relays_at_the_same_moment(tmp_path: Path) -> None:
    async with together(tmp_path, relays=2, limits=QUICK_HOLD) as parts:
        other = await enrolled(parts.agent.host, name="tablet")
        at = [f"127.0.0.1:{relay.validators.port}" for relay in parts.relays]
        async with parts.agent.call() as caller:
            code = await caller.passcode()
            won: list[Phone] = []

            async def sign_on(phone: Phone, relay: str) -> None:
                async with phone.attempt(code, relay) as attempt:
                    try:
                        await attempt.context()
                    except EndedError:
                        return
                    assert await attempt.outcome() is SignOnOutcome.SIGNED_ON
                    await attempt.confirm()
                    won.append(phone)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(sign_on, parts.phone, at[0])
                nursery.start_soon(sign_on, other, at[1])
            assert await caller.result() is Result.APPROVED
        assert len(won) == 1
        assert (await parts.ended("approved"))["device"] == won[0].device_id


async def test_one_relay_of_two_is_enough(tmp_path: Path) -> None:
    async with together(tmp_path, relays=2) as parts:
        parts.relays[0].relay.drain()
        await parts.log.event("link lost")
        async with parts.agent.call() as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")


async def test_a_relay_that_refuses_does_not_stop_the_others(tmp_path: Path) -> None:
    async with together(tmp_path, relays=2, limits=QUICK_HOLD) as parts:
        parts.relays[0].relay.broker.requests._limits = Limits(longest_ttl=1)  # type: ignore[misc]
        async with parts.agent.call() as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        (refused,) = parts.log.named("request refused")
        assert refused["reason"] == "ttl"


async def test_no_relay_at_all(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(queue=0.2)) as parts:
        parts.relay.relay.drain()
        await parts.log.event("link lost")
        async with parts.agent.call() as caller:
            assert await caller.result() is Result.UNAVAILABLE
        assert 0.2 <= (await parts.ended("unavailable"))["steps"]["ended"] < 2
        assert caller.shown[0][1].startswith("Bartizan: no relay can be reached")


async def test_when_every_relay_refuses_nobody_waits(tmp_path: Path) -> None:
    async with (
        together(
            tmp_path, relays=2, limits=Limits(longest_ttl=1), timers=timers(queue=15.0)
        ) as parts,
        parts.agent.call() as caller,
    ):
        with trio.fail_after(5):
            assert await caller.result() is Result.DENIED
