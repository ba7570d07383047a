"""One approval with real parts: validators that leave, and such as are no good."""

from dataclasses import replace
from pathlib import Path

import trio
from trio.testing import wait_all_tasks_blocked

from pam_agent.approval import MAX_RESUMES
from pam_agent.local_wire import Result
from pam_agent.policy import DISABLING_FAILURE, FIRST_BACKOFF_FAILURE
from pam_agent.records import DisabledReason
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH
from protocol.ratchet import Generation
from protocol.signon import ValidatorSignOn
from protocol.signon_messages import SignOnOutcome, Verdict
from relay.outcomes import RequestOutcome
from tests.support.bare_validator import bare_validator, is_reset, tag_of
from tests.support.patience import until
from tests.support.phone import enrolled
from tests.support.together import QUICK_HOLD, Together, ends, requeued, signs_on, timers, together
from validator.outcomes import Outcome

STEPS = {"queued", "shown", "paired", "opened", "decided", "ended", "confirmed"}

# ---- losses --------------------------------------------------------------------------------------


async def test_a_validator_that_leaves_before_its_h1_costs_nothing(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        for count in range(1, MAX_RESUMES + 1):
            async with bare_validator(parts.relay, tag_of(parts.phone, code)):
                await wait_all_tasks_blocked(0.02)
            await requeued(parts.relay, count)
        assert set(ends(parts.relay)) == {RequestOutcome.VALIDATOR_GONE}
        await signs_on(parts, caller, code)
        await parts.ended("approved")


async def test_but_not_for_ever(tmp_path: Path) -> None:
    short = timers(validation=2.0)
    async with (
        together(tmp_path, limits=QUICK_HOLD, timers=short) as parts,
        parts.agent.call() as caller,
    ):
        code = await caller.passcode()
        for count in range(1, MAX_RESUMES + 2):
            async with bare_validator(parts.relay, tag_of(parts.phone, code)):
                await wait_all_tasks_blocked(0.02)
            if count <= MAX_RESUMES:
                await requeued(parts.relay, count)
        ending = await parts.phone.sign_on(code)
        assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
        assert await caller.result() is Result.DENIED
        await parts.ended("expired")


async def test_a_phone_that_loses_its_network_comes_back_with_the_same_passcode(
    tmp_path: Path,
) -> None:
    async with together(tmp_path) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        for count in range(1, MAX_RESUMES + 1):
            async with parts.phone.attempt(code) as attempt:
                await attempt.context()
            await requeued(parts.relay, count)
        await signs_on(parts, caller, code)
        await parts.ended("approved")


async def test_resumes_are_bounded(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        for count in range(1, MAX_RESUMES + 2):
            async with parts.phone.attempt(code) as attempt:
                await attempt.context()
            if count <= MAX_RESUMES:
                await requeued(parts.relay, count)
        assert await caller.result() is Result.DENIED
        await parts.ended("undecided")


async def test_a_loss_after_the_passcodes_time_is_the_end(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(validation=0.3)) as parts:
        async with parts.agent.call() as caller:
            async with parts.phone.attempt(await caller.passcode()) as attempt:
                await attempt.context()
                await trio.sleep(0.3)
            assert await caller.result() is Result.DENIED
        await parts.ended("undecided")


async def test_what_is_no_decision_is_a_loss(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        async with parts.phone.attempt(code) as attempt:
            await attempt.context()
            await attempt.connection.send(bytes(272))
            await attempt.gone()
        await signs_on(parts, caller, code)
        line = await parts.ended("approved")
        assert set(line["steps"]) == STEPS | {"left"}
        assert ends(parts.relay)[0] is RequestOutcome.WITHDRAWN


async def test_nothing_is_lost_where_everybody_stays_to_the_end(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        for verdict in Verdict:
            async with parts.agent.call() as caller:
                await parts.phone.sign_on(await caller.passcode(), verdict)
                await caller.result()
        await parts.log.event("sign-on ended", len(Verdict))
        assert all("confirmed" in line["steps"] for line in parts.log.named("sign-on ended"))
        await until(lambda: ends(parts.relay) == [RequestOutcome.DONE] * len(Verdict))


async def test_a_lost_confirm_is_repaired_by_the_next_sign_on(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call() as caller:
            async with parts.phone.attempt(await caller.passcode()) as attempt:
                await attempt.context()
                assert await attempt.outcome() is SignOnOutcome.SIGNED_ON
                assert await caller.result() is Result.APPROVED  # before CONFIRM, and without
            line = await parts.ended("approved")
        assert "confirmed" not in line["steps"]
        for count in (2, 3):
            async with parts.agent.call() as caller:
                await signs_on(parts, caller, await caller.passcode())
            assert "confirmed" in (await parts.ended("approved", count))["steps"]


async def test_confirm_is_not_waited_for_longer_than_its_time(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(confirm=0.2)) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            await attempt.outcome()
            await attempt.gone()
        line = await parts.ended("approved")
        assert "confirmed" not in line["steps"]
        assert ends(parts.relay) == [RequestOutcome.DONE]


async def test_what_is_no_confirm_changes_nothing(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            await attempt.outcome()
            await attempt.connection.send(bytes(272))
            await attempt.gone()
        await parts.ended("approved")
        ratchet = (await parts.agent.host.accounts.device(parts.phone.device_id)).ratchet
        assert ratchet.pending is not None
        assert ends(parts.relay) == [RequestOutcome.DONE]


# ---- validators that are no good -----------------------------------------------------------------


async def test_an_h1_that_is_none_is_rejected_and_not_counted(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        tag = tag_of(parts.phone, code)
        for frame in (bytes(H1_FRAME_LENGTH), b"x", bytes(2048)):
            async with bare_validator(parts.relay, tag, frame, b"more", b"and more") as connection:
                await is_reset(connection)
        device = await parts.agent.host.accounts.device(parts.phone.device_id)
        assert device.failures == 0
        await signs_on(parts, caller, code)
        await parts.ended("approved")


async def wrong_key(parts: Together, passcode: str) -> None:
    """An H1 of somebody who holds the device and not its ratchet root (a wrong PIN)."""
    record = replace(parts.phone.record, generation=Generation(0, bytes(32)))
    async with replace(parts.phone, record=record).attempt(passcode) as attempt:
        await attempt.gone()


async def test_a_wrong_key_is_counted_and_in_the_end_the_device_has_to_pause(
    tmp_path: Path,
) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, parts.agent.call() as caller:
        accounts = parts.agent.host.accounts
        code = await caller.passcode()
        for count in range(1, FIRST_BACKOFF_FAILURE + 1):
            await wrong_key(parts, code)
            assert (await accounts.device(parts.phone.device_id)).failures == count
        # Now even the right key is not looked at, in this sign-on as in the next.
        assert (await parts.phone.sign_on(code)).outcome is Outcome.NO_SUCH_SIGN_ON
        async with parts.agent.call() as next_caller:
            ending = await parts.phone.sign_on(await next_caller.passcode())
            assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
        await wrong_key(parts, code)
        assert (await accounts.device(parts.phone.device_id)).failures == FIRST_BACKOFF_FAILURE
        accounts.store.db.execute("UPDATE device SET backoff_until = 0")
        await signs_on(parts, caller, code)
        assert (await accounts.device(parts.phone.device_id)).failures == 0


async def test_the_same_h1_counts_once_however_often_the_relay_brings_it(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        record = replace(parts.phone.record, generation=Generation(0, bytes(32)))
        h1 = ValidatorSignOn(record.device_keys, Mode.PASSCODE, code).h1()
        for _ in range(3):
            async with bare_validator(parts.relay, tag_of(parts.phone, code), h1) as connection:
                await is_reset(connection)
        accounts = parts.agent.host.accounts
        assert (await accounts.device(parts.phone.device_id)).failures == 1


async def test_the_failure_that_disables_a_device_is_told(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        accounts = parts.agent.host.accounts
        accounts.store.db.execute("UPDATE device SET failures = ?", (DISABLING_FAILURE - 1,))
        for _ in range(2):
            await wrong_key(parts, code)
        (told,) = parts.log.named("device disabled")
        assert (told["user"], told["reason"], told["level"]) == ("alice", "failures", "warning")


async def test_a_report_that_comes_too_late_is_one(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(acknowledgement=0.1)) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            assert await caller.result() is Result.DENIED
            decision = attempt.machine.decision(Verdict.REPORT, "I am in\nbed")
            await attempt.connection.send(decision)
            await attempt.receipt()
            await attempt.confirm()
        line = await parts.ended("undecided")
        assert (line["level"], line["verdict"], line["reason"]) == (
            "warning",
            "report",
            "I am inbed",
        )


async def test_a_device_that_failures_disabled_hears_nothing(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        accounts = parts.agent.host.accounts
        async with parts.agent.call() as caller:
            code = await caller.passcode()
            for _ in range(DISABLING_FAILURE):
                await accounts.count_failure(parts.phone.device_id, 0.0)
            assert (await parts.phone.sign_on(code)).outcome is Outcome.NO_SUCH_SIGN_ON
        device = await accounts.device(parts.phone.device_id)
        assert device.disabled is DisabledReason.FAILURES
        async with parts.agent.call() as caller:
            ending = await parts.phone.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.NO_SUCH_SIGN_ON


async def test_the_owner_of_a_cloned_device_is_told_so(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        other = await enrolled(parts.agent.host, name="tablet")
        parts.agent.host.accounts.store.db.execute(
            "UPDATE device SET disabled = 'clone' WHERE id = ?", (parts.phone.device_id,)
        )
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            assert await attempt.outcome() is SignOnOutcome.DISABLED
            with trio.fail_after(4):  # no CONFIRM is waited for
                await attempt.gone()
            assert await caller.result() is Result.DENIED
        assert ends(parts.relay) == [RequestOutcome.DONE]
        line = await parts.ended("disabled")
        assert line["device"] == parts.phone.device_id
        async with parts.agent.call() as caller:
            assert (await other.sign_on(await caller.passcode())).outcome is Outcome.SIGNED_ON
