"""Codes that are typed at a prompt, with real parts."""

import os
import re
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from pam_agent import host_signon
from pam_agent.local_wire import RecordType, Result
from pam_agent.methods import Method
from pam_agent.policy import DISABLING_FAILURE
from pam_agent.records import DisabledReason
from pam_agent.service_policy import Display
from pam_agent.settings import Relay
from protocol.address import TcpAddress, UnixAddress
from protocol.signon_messages import Verdict
from relay.limits import Limits
from tests.support.agent import start_agent
from tests.support.caller import Caller
from tests.support.patience import until
from tests.support.recorded_log import recorded_log
from tests.support.services import service, with_codes
from tests.support.together import QUICK_HOLD, signs_on, timers, together
from tests.support.typed_codes import give_methods, give_totp, response, totp
from validator.outcomes import Outcome

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

AFTER_A_KEY = {"service": "sshd", "first_factor": "publickey"}
NOBODY = 65534

offering = partial(together, services={"sshd": with_codes("sshd")})
"""Where sshd's users may type codes, unless other services are given."""

WRONG_AFTER = 0.3


@pytest.fixture(autouse=True)
def _sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_signon, "WRONG_AFTER", WRONG_AFTER)


async def answered(caller: Caller, text: str) -> Result:
    await caller.send(RecordType.ANSWER, text.encode())
    return await caller.result()


def shape(caller: Caller) -> list[tuple[RecordType, str]]:
    """What was shown, without what is drawn for each sign-on."""
    drawn = re.compile(r"\b[a-z2-7]{13}\b|passcode \d{4} \d{4}")
    return [(kind, drawn.sub("*", text)) for kind, text in caller.shown]


# ---- with a relay --------------------------------------------------------------------------------


async def test_a_code_is_offered_behind_a_first_factor_only(tmp_path: Path) -> None:
    async with offering(tmp_path) as parts:
        for first_factor, offered in (("publickey", True), ("", False)):
            async with parts.agent.call(service="sshd", first_factor=first_factor) as caller:
                await caller.passcode()
                ((kind, text),) = caller.shown
                assert kind is RecordType.PROMPT
                assert ("type its code" in text) is offered


async def test_the_configuration_can_vouch_for_a_first_factor(tmp_path: Path) -> None:
    services = {"sshd": with_codes("sshd", first_factor="password")}
    async with offering(tmp_path, services=services) as parts:
        async with parts.agent.call(service="sshd") as caller:
            code = await caller.passcode()
            assert "type its code" in caller.shown[0][1]
            await signs_on(parts, caller, code)
        assert parts.phone.contexts[-1].first_factor == "password"


async def test_what_pam_says_of_the_first_factor_counts_before_the_configuration(
    tmp_path: Path,
) -> None:
    services = {"sshd": with_codes("sshd", first_factor="password")}
    async with offering(tmp_path, services=services) as parts:
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            await signs_on(parts, caller, await caller.passcode())
        assert parts.phone.contexts[-1].first_factor == "publickey"


async def test_enter_goes_on_to_wait_for_the_device(tmp_path: Path) -> None:
    async with offering(tmp_path) as parts, parts.agent.call(**AFTER_A_KEY) as caller:
        code = await caller.passcode()
        await caller.send(RecordType.ANSWER, b"")
        await signs_on(parts, caller, code)
        assert len(caller.shown) == 1


async def test_a_code_lets_in_and_the_devices_are_asked_no_longer(tmp_path: Path) -> None:
    async with (
        offering(tmp_path, limits=QUICK_HOLD) as parts,
        parts.agent.call(**AFTER_A_KEY) as caller,
    ):
        code = await caller.passcode()
        typed = response(parts.phone.record, code)
        assert await answered(caller, f" {typed[:4]}-{typed[4:]} ") is Result.APPROVED
        line = await parts.ended("code")
        assert line["device"] == parts.phone.device_id
        assert list(line["steps"]) == ["queued", "shown", "typed", "judged", "ended"]
        ending = await parts.phone.sign_on(code)
        assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
        async with parts.agent.call(**AFTER_A_KEY) as again:
            await signs_on(parts, again, await again.passcode())
        assert parts.phone.contexts[-1].failures == 0
        assert parts.phone.contexts[-1].last_success > 0


async def test_a_revocation_takes_a_code_back_until_pam_has_its_result(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def trace(statement: str) -> None:
        if statement.startswith("INSERT INTO audit"):
            begun.set()
            go_on.wait()

    async with offering(tmp_path) as parts, parts.agent.call(**AFTER_A_KEY) as caller:
        code = response(parts.phone.record, await caller.passcode())
        parts.agent.host.accounts.store.db.set_trace_callback(trace)
        await caller.send(RecordType.ANSWER, code.encode())
        await trio.to_thread.run_sync(begun.wait)
        parts.agent.agent.revoked("alice")
        go_on.set()
        assert await caller.result() is Result.DENIED
        await parts.ended("revoked")


async def test_a_denial_counts_where_a_code_might_be_typed(tmp_path: Path) -> None:
    async with offering(tmp_path) as parts, parts.agent.call(**AFTER_A_KEY) as caller:
        code = await caller.passcode()
        ending = await parts.phone.sign_on(code, Verdict.DENY)
        assert ending.outcome is Outcome.DENIED
        assert await caller.result() is Result.DENIED
        await parts.ended("denied")


async def test_wrong_codes_disable_the_device_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_signon, "WRONG_AFTER", 0.0)
    async with offering(tmp_path) as parts:
        host, phone = parts.agent.host, parts.phone
        for _ in range(DISABLING_FAILURE):
            async with parts.agent.call(**AFTER_A_KEY) as caller:
                code = response(phone.record, await caller.passcode())
                # As if the pause after some of them were over.
                await host.accounts.store.transaction(
                    lambda tx: tx.db.execute("UPDATE device SET backoff_until = 0")
                )
                wrong = f"{(int(code) + 1) % 10**8:08}"
                assert await answered(caller, wrong) is Result.DENIED
                assert "the code is not right" in caller.shown[-1][1]
        device = await host.accounts.device(phone.device_id)
        assert device.disabled is DisabledReason.FAILURES
        assert len(parts.log.named("device disabled")) == 1
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            right = response(phone.record, await caller.passcode())
            assert await answered(caller, right) is Result.DENIED


@pytest.mark.parametrize("typed", ["yes", "12345", "123456", "0" * 9, "the passcode"])
async def test_what_is_no_code_counts_against_nobody(tmp_path: Path, typed: str) -> None:
    async with offering(tmp_path) as parts, parts.agent.call(**AFTER_A_KEY) as caller:
        code = await caller.passcode()
        wrong = code if typed == "the passcode" else typed
        assert await answered(caller, wrong) is Result.DENIED
        await parts.ended("wrong-code")
        device = await parts.agent.host.accounts.device(parts.phone.device_id)
        assert device.failures == 0


async def test_a_program_that_answers_by_the_users_name_shows_nothing(tmp_path: Path) -> None:
    async with offering(tmp_path) as parts, parts.agent.call(service="odd") as caller:
        await caller.passcode()
        assert await answered(caller, "alice") is Result.DENIED
        await parts.ended("not-shown")


async def test_a_code_after_its_time(tmp_path: Path) -> None:
    quick = timers(validation=0.2, acknowledgement=20.0)
    async with (
        offering(tmp_path, services={"sshd": with_codes("sshd", timers=quick)}) as parts,
        parts.agent.call(**AFTER_A_KEY) as caller,
        parts.phone.attempt(await caller.passcode()) as attempt,
    ):
        code = response(parts.phone.record, await caller.passcode())
        await attempt.context()
        host = parts.agent.host
        shown = host.clock()
        await until(lambda: host.clock() > shown + 0.2)
        assert await answered(caller, code) is Result.DENIED
        await parts.ended("expired")
        await attempt.gone()


# ---- who is believed -----------------------------------------------------------------------------


@needs_root
async def test_what_a_user_says_of_itself_is_not_believed(tmp_path: Path) -> None:
    for each in (tmp_path, *tmp_path.parents):
        each.chmod(each.stat().st_mode | 0o011)
    services = {"sshd": with_codes("sshd", first_factor="password", lease=600)}
    async with offering(tmp_path, services=services) as parts:
        said = {**AFTER_A_KEY, "rhost": "192.0.2.1", "uid": NOBODY}
        async with parts.agent.call("nobody", **said) as caller:
            await caller.passcode()
            assert "type its code" not in caller.shown[0][1]
            await caller.send(RecordType.ANSWER, b"12345678")  # only goes on
        await parts.ended("cancelled")


# ---- without a relay -----------------------------------------------------------------------------


REFUSING = Limits(longest_ttl=1)
"""A relay that queues nothing."""


@pytest.mark.parametrize("name", ["sshd", "sudo"])
async def test_without_a_relay_a_code_is_asked_for(tmp_path: Path, name: str) -> None:
    services = {name: with_codes(name, first_factor="password")}
    async with offering(tmp_path, limits=REFUSING, services=services) as parts:
        async with parts.agent.call(service=name) as caller:
            code = await caller.passcode()
            ((kind, text),) = caller.shown
            assert kind is RecordType.PROMPT
            assert "No relay can be reached" in text
            assert await answered(caller, response(parts.phone.record, code)) is Result.APPROVED
        await parts.ended("code")


async def test_a_relay_that_comes_late_is_asked_no_longer(tmp_path: Path) -> None:
    nowhere = Relay(UnixAddress(str(tmp_path / "none.sock")), None, (TcpAddress("relay", 1),))
    with recorded_log():
        async with trio.open_nursery() as nursery:
            quick = {"sshd": with_codes("sshd", timers=timers(queue=0.1, validation=10.0))}
            agent = await start_agent(nursery, tmp_path, [nowhere], services=quick)
            async with agent.call(**AFTER_A_KEY) as caller:
                await caller.passcode()
                assert agent.leftovers()["requests"] == agent.leftovers()["handles"] == 0
                await caller.send(RecordType.ANSWER, b"")
                assert await caller.result() is Result.UNAVAILABLE
            await agent.stop()
            nursery.cancel_scope.cancel()


async def test_without_a_relay_and_a_code_it_is_unavailable(tmp_path: Path) -> None:
    quick = {"sshd": with_codes("sshd", timers=timers(queue=0.1))}
    async with offering(tmp_path, services=quick) as parts:
        parts.relay.relay.drain()
        await parts.log.event("link lost")
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            await caller.passcode()
            assert await answered(caller, "") is Result.UNAVAILABLE
        line = await parts.ended("unavailable")
        assert "typed" not in line["steps"]


async def test_a_relay_that_refuses_is_there_so_the_stack_does_not_go_on(tmp_path: Path) -> None:
    async with offering(tmp_path, limits=REFUSING) as parts:
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            await caller.passcode()
            assert await answered(caller, "") is Result.DENIED
        await parts.ended("not-queued")


async def test_without_a_relay_a_wrong_code_is_a_denial(tmp_path: Path) -> None:
    async with offering(tmp_path, limits=REFUSING) as parts:
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            await caller.passcode()
            assert await answered(caller, "12345678") is Result.DENIED
        await parts.ended("wrong-code")


async def test_without_a_relay_nothing_is_shown_that_nothing_helps_with(tmp_path: Path) -> None:
    refusing = offering(tmp_path, limits=REFUSING)
    async with refusing as parts, parts.agent.call(service="sshd") as caller:
        assert await caller.result() is Result.DENIED
        assert "no relay has taken the sign-on" in caller.shown[0][1]


async def test_without_a_relay_and_an_answer_the_time_is_over(tmp_path: Path) -> None:
    quick = {"sshd": with_codes("sshd", timers=timers(validation=0.2))}
    async with offering(tmp_path, limits=REFUSING, services=quick) as parts:
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            await caller.passcode()
            assert await caller.result() is Result.DENIED
        await parts.ended("expired")


# ---- services without approval -------------------------------------------------------------------


async def test_a_service_that_wants_codes_only_asks_no_relay(tmp_path: Path) -> None:
    services = {"sshd": service("sshd", methods=[Method.CODE, Method.TOTP])}
    async with offering(tmp_path, services=services) as parts:
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            code = await caller.passcode()
            assert "No relay" not in caller.shown[0][1]
            assert not parts.relay.relay.broker.requests
            assert await answered(caller, response(parts.phone.record, code)) is Result.APPROVED
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            await caller.passcode()
            assert await answered(caller, "") is Result.DENIED
        await parts.ended("wrong-code", 2)


async def test_a_service_that_wants_an_app_shows_no_passcode(tmp_path: Path) -> None:
    services = {"sshd": service("sshd", methods=[Method.TOTP], display=Display.INFO)}
    async with offering(tmp_path, services=services) as parts:
        host = parts.agent.host
        await give_totp(host)
        for result in (Result.APPROVED, Result.DENIED):  # each code works once
            async with parts.agent.call(service="sshd") as caller:
                assert await caller.text() is RecordType.PROMPT
                assert "passcode" not in caller.shown[0][1]
                assert await answered(caller, totp(host.wall_clock(), 1)) is result
        await parts.ended("replayed", 2)


# ---- accounts' own methods -----------------------------------------------------------------------


async def test_an_account_may_be_given_a_totp_alone(tmp_path: Path) -> None:
    async with offering(tmp_path, limits=QUICK_HOLD) as parts:
        host = parts.agent.host
        await give_totp(host)
        await give_methods(host, {Method.TOTP})
        async with parts.agent.call(service="sshd") as caller:
            code = await caller.passcode()
            assert (await parts.phone.sign_on(code)).outcome is Outcome.NO_SUCH_SIGN_ON
            assert await answered(caller, totp(host.wall_clock())) is Result.APPROVED
        line = await parts.ended("totp")
        assert line["device"] is None


async def test_a_totp_that_is_not_offered_is_looked_at_whoever_types_it(tmp_path: Path) -> None:
    async with offering(tmp_path) as parts:
        for number, user in enumerate(("alice", "mallory"), start=1):
            async with parts.agent.call(user, service="sshd") as caller:
                await caller.passcode()
                assert await answered(caller, "123456") is Result.DENIED
            await parts.ended("wrong-code", number)


async def test_an_account_may_be_refused_codes(tmp_path: Path) -> None:
    async with offering(tmp_path) as parts:
        await give_methods(parts.agent.host, {Method.APPROVE})
        async with parts.agent.call(**AFTER_A_KEY) as caller:
            code = await caller.passcode()
            assert await answered(caller, response(parts.phone.record, code)) is Result.DENIED
        await parts.ended("wrong-code")


# ---- strangers -----------------------------------------------------------------------------------

SCREENS: list[dict[str, Any]] = [
    {},
    {"methods": [Method.APPROVE, Method.CODE]},
    {"methods": [Method.APPROVE, Method.CODE, Method.TOTP]},
    {"methods": [Method.TOTP]},
    {"methods": [Method.CODE]},
    {"display": Display.INFO, "methods": [Method.APPROVE, Method.CODE]},
]


@pytest.mark.parametrize("keys", SCREENS)
@pytest.mark.parametrize("relay", [True, False])
async def test_an_unknown_user_sees_the_same_as_a_known_one(
    tmp_path: Path, keys: dict[str, Any], relay: bool
) -> None:
    services = {"sshd": service("sshd", timers=timers(validation=10.0), **keys)}
    async with offering(tmp_path, services=services) as parts:
        await give_totp(parts.agent.host)
        screens, steps = [], []
        for user in ("alice", "mallory"):
            async with parts.agent.call(user, **AFTER_A_KEY) as caller:
                kind = await caller.text()
                if kind is RecordType.PROMPT:
                    wrong = "12345678" if Method.CODE in keys.get("methods", ()) else "123456"
                    assert await answered(caller, wrong) is Result.DENIED
                screens.append(shape(caller))
            line = await parts.log.event("sign-on ended", len(screens))
            steps.append(list(line["steps"]))
            if kind is RecordType.PROMPT:
                took = line["steps"]["ended"] - line["steps"]["typed"]
                assert took >= WRONG_AFTER
        assert screens[0] == screens[1]
        assert steps[0] == steps[1]


async def test_a_service_of_codes_that_nobody_may_type_is_no_leave_to_go_on(tmp_path: Path) -> None:
    """No first factor has held, so no response is taken: not the same as relays that are down."""
    services = {"sshd": service("sshd", methods=[Method.CODE])}
    async with offering(tmp_path, services=services) as parts:
        async with parts.agent.call(service="sshd") as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("not-shown")
