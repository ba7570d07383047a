"""What a caller of PAM sees of a sign-on, and what the device and the account learn of it."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from pam_agent.enrolments import Enrolments
from pam_agent.local_wire import RecordType, Result
from pam_agent.service_policy import Display, ServicePolicy
from protocol.signon_messages import Context, Verdict
from tests.support.phone import enrolled
from tests.support.services import service
from tests.support.small_disk import fill, small_disk
from tests.support.together import QUICK_HOLD, Together, signs_on, timers, together
from validator.outcomes import Outcome

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


async def approved_context(parts: Together, **fields: str) -> Context:
    """What the device is shown of a sign-on."""
    async with parts.agent.call(**fields) as caller:
        await signs_on(parts, caller, await caller.passcode())
    return parts.phone.contexts[-1]


# ---- what is shown -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "kind"), [("sshd", RecordType.PROMPT), ("sudo", RecordType.INFO)]
)
async def test_how_a_passcode_is_shown(tmp_path: Path, service: str, kind: RecordType) -> None:
    async with together(tmp_path) as parts, parts.agent.call(service=service) as caller:
        code = await caller.passcode()
        ((shown, text),) = caller.shown
        assert shown is kind
        assert f"passcode {code[:4]} {code[4:]} (20 s)" in text
        await signs_on(parts, caller, code)
        assert len(caller.shown) == 1  # success speaks for itself
        line = await parts.ended("approved")
        assert line["sign_on_id"] in text
        assert line["service"] == service


async def test_the_configuration_says_how(tmp_path: Path) -> None:
    services = {
        "sshd": service("sshd", display=Display.INFO),
        "odd": service("odd", display=Display.REFUSE),
    }
    async with together(tmp_path, services=services) as parts:
        async with parts.agent.call(service="sshd") as caller:
            await caller.passcode()
            assert caller.shown[0][0] is RecordType.INFO
        async with parts.agent.call(service="odd") as caller:
            assert await caller.result() is Result.DENIED


async def test_an_answer_to_the_prompt_only_goes_on(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, parts.agent.call(service="sshd") as caller:
        code = await caller.passcode()
        for answer in (b"", b"yes", code.encode()):
            await caller.send(RecordType.ANSWER, answer)
        await wait_all_tasks_blocked(0.02)
        await signs_on(parts, caller, code)


async def test_what_the_device_is_shown(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        said = {
            "service": "sshd",
            "rhost": "203.0.113.9",
            "tty": "ssh",
            "first_factor": "publickey",
            "note": "id -u",
        }
        context = await approved_context(parts, **said)
        assert (context.user, context.host, context.service) == ("alice", "web1", "sshd")
        assert (context.remote_address, context.tty) == ("203.0.113.9", "ssh")
        assert (context.first_factor, context.note) == ("publickey", "id -u")
        assert 0 < context.seconds_left <= 10


async def test_two_sign_ons_have_ids_passcodes_and_randomness_of_their_own(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        one = await approved_context(parts)
        two = await approved_context(parts)
        assert one.sign_on_id != two.sign_on_id
        assert one.agent_random != two.agent_random


# ---- what is counted -----------------------------------------------------------------------------


async def test_every_sign_on_without_success_is_counted_once(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(acknowledgement=0.3, validation=0.6)) as parts:
        assert (await approved_context(parts)).failures == 0
        async with parts.agent.call() as caller:  # denied
            ending = await parts.phone.sign_on(await caller.passcode(), Verdict.DENY)
            assert ending.outcome is Outcome.DENIED
            await caller.result()
        async with parts.agent.call() as caller:  # expired
            await caller.passcode()
            await caller.result()
        async with parts.agent.call() as caller:  # cancelled
            await caller.passcode()
        async with (  # undecided, and decided too late
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            await caller.result()
            await attempt.outcome()
            await attempt.confirm()
        await parts.log.event("sign-on ended", 5)
        context = await approved_context(parts)
        assert context.failures == 4
        assert context.last_success > 0
        assert (await approved_context(parts)).failures == 0


# ---- strangers, bugs, stops ----------------------------------------------------------------------


async def test_one_callers_bug_is_not_the_others_end(tmp_path: Path) -> None:
    class Broken(dict[str, ServicePolicy]):
        def get(self, service: str, default: object = None) -> object:  # type: ignore[override]
            if service == "bug":
                raise ZeroDivisionError
            return default

    async with together(tmp_path, services=Broken()) as parts, parts.agent.call() as other:
        code = await other.passcode()
        async with parts.agent.call(service="bug") as caller:
            assert await caller.result() is Result.DENIED
        await parts.log.event("sign-on failed unexpectedly")
        await signs_on(parts, other, code)


async def test_a_stopping_agent_tells_everybody(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(parts.agent.call()) for _ in range(5)]
        codes = [await caller.passcode() for caller in callers]
        attempt = await stack.enter_async_context(parts.phone.attempt(codes[0]))
        await attempt.context()
        await parts.agent.stop()
        for caller in callers:
            assert await caller.result() is Result.DENIED
            assert "interrupted, try again" in caller.shown[-1][1]
        lines = parts.log.named("sign-on ended")
        assert [line["outcome"] for line in lines] == ["stopped"] * 5


async def test_a_stop_after_the_result_does_not_change_it(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            await attempt.outcome()
            assert await caller.result() is Result.APPROVED  # CONFIRM is being waited for
            await parts.agent.stop()
        await parts.ended("approved")
        assert len(parts.log.named("sign-on ended")) == 1


async def test_revoking_one_account_leaves_the_others(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        bob = await enrolled(parts.agent.host, "bob")
        async with parts.agent.call() as of_alice, parts.agent.call("bob") as of_bob:
            code = await of_bob.passcode()
            await of_alice.passcode()
            parts.agent.host.waiting.revoke("alice")
            assert await of_alice.result() is Result.DENIED
            assert (await bob.sign_on(code)).outcome is Outcome.SIGNED_ON
            assert await of_bob.result() is Result.APPROVED
        await parts.ended("revoked")
        await parts.ended("approved", 2)


async def test_a_device_that_goes_while_its_h1_comes_is_a_revocation(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, parts.agent.call() as caller:
        code = await caller.passcode()
        await Enrolments(parts.agent.host.accounts.store).revoke("alice", parts.phone.device_id, 0)
        async with parts.phone.attempt(code) as attempt:
            await attempt.gone()
        assert await caller.result() is Result.DENIED
        await parts.ended("revoked")


@needs_root
async def test_a_full_disk_lets_nobody_in(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        async with together(disk) as parts, parts.agent.call() as caller:
            code = await caller.passcode()
            async with parts.phone.attempt(code) as attempt:
                await attempt.context()
                filler = fill(disk)
                await attempt.decide()
                await attempt.gone()
            assert await caller.result() is Result.FAILED
            assert "out of order, ask the administrator" in caller.shown[-1][1]
            await parts.ended("store-failed")
            failed = parts.log.named("store failed")[0]
            assert "the disk is full: free space on it" in failed["reason"]
            filler.unlink()
            async with parts.agent.call() as again:
                await signs_on(parts, again, await again.passcode())


async def test_a_store_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        db = parts.agent.host.accounts.store.db
        db.execute("ALTER TABLE account RENAME TO gone")
        async with parts.agent.call() as caller:
            assert await caller.result() is Result.FAILED
        await parts.ended("store-failed")
        assert not caller.shown[0][1].startswith("Bartizan sign-on")


async def test_a_store_that_fails_after_the_result_is_logged(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with (
            parts.agent.call() as caller,
            parts.phone.attempt(await caller.passcode()) as attempt,
        ):
            await attempt.context()
            await attempt.outcome()
            assert await caller.result() is Result.APPROVED
            parts.agent.host.accounts.store.db.execute("PRAGMA query_only = ON")
            await attempt.confirm()
            await parts.ended("approved")
        assert len(parts.log.named("store failed")) == 1
        with trio.fail_after(5):
            await parts.agent.idle()
