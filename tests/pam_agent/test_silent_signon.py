"""Codes that are typed as the password, with real parts."""

from pathlib import Path
from typing import Any

import pytest

from pam_agent import host_signon
from pam_agent.local_wire import RecordType, Result, SecretPart
from pam_agent.methods import Method
from pam_agent.service_policy import Display, Secret
from pam_agent.waiting import Silent
from protocol.signon_messages import Context
from tests.support.caller import Caller
from tests.support.services import service
from tests.support.together import Together, signs_on, timers, together
from tests.support.typed_codes import give_methods, give_totp, ticket_of, totp

WRONG_AFTER = 0.3


@pytest.fixture(autouse=True)
def _sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_signon, "WRONG_AFTER", WRONG_AFTER)


async def typed(
    parts: Together, text: str, user: str = "alice", *, name: str = "postgresql", **fields: Any
) -> Result:
    """The result of a sign-on at a service that asks for the password and is given `text`."""
    async with parts.agent.call(user, service=name, **fields) as caller:
        await asked(caller)
        await caller.send(RecordType.ANSWER, text.encode())
        return await caller.result()


async def asked(caller: Caller) -> SecretPart:
    """What of the password is wanted; nothing else is shown."""
    assert await caller.text() is RecordType.SECRET
    ((_, text),) = caller.shown
    assert text[1:] == "Password: "
    return SecretPart(ord(text[0]))


async def next_context(parts: Together) -> Context:
    async with parts.agent.call() as caller:
        await signs_on(parts, caller, await caller.passcode())
    return parts.phone.contexts[-1]


@pytest.mark.parametrize("name", ["postgresql", "dovecot"])
async def test_a_ticket_lets_in_once(tmp_path: Path, name: str) -> None:
    async with together(tmp_path) as parts:
        code = ticket_of(parts.phone.record, name).lower()
        assert await typed(parts, f"{code[:5]}-{code[5:]}", name=name) is Result.APPROVED
        line = await parts.ended("ticket")
        assert line["device"] == parts.phone.device_id
        assert list(line["steps"]) == ["asked", "typed", "judged", "ended"]
        assert await typed(parts, code, name=name) is Result.DENIED
        await parts.ended("replayed", 2)
        later = ticket_of(parts.phone.record, name, 3)
        assert await typed(parts, later, name=name) is Result.APPROVED
        context = await next_context(parts)
        assert context.last_success > 0


async def test_a_ticket_is_for_one_service(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        code = ticket_of(parts.phone.record, "dovecot")
        assert await typed(parts, code) is Result.DENIED
        await parts.ended("wrong-code")
        assert await typed(parts, code, name="dovecot") is Result.APPROVED


async def test_what_is_wrong_is_counted_for_the_owner_to_see(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        for text in ("0" * 10, "", "what?"):
            assert await typed(parts, text) is Result.DENIED
        await parts.ended("wrong-code", 3)
        device = await parts.agent.host.accounts.device(parts.phone.device_id)
        assert device.failures == 0
        assert (await next_context(parts)).failures == 3


async def test_what_is_wanted_of_the_password(tmp_path: Path) -> None:
    services = {"ftp": service("ftp", display=Display.SILENT, secret=Secret.TAIL)}
    async with together(tmp_path, services=services) as parts:
        wanted = {"ftp": SecretPart.TAIL, "postgresql": SecretPart.WHOLE}
        for counter, (name, part) in enumerate(wanted.items()):
            async with parts.agent.call(service=name) as caller:
                assert await asked(caller) is part
                text = ticket_of(parts.phone.record, name, counter)
                await caller.send(RecordType.ANSWER, text.encode())
                assert await caller.result() is Result.APPROVED


async def test_a_totp(tmp_path: Path) -> None:
    services = {"postgresql": service("postgresql", methods=[Method.TOTP])}
    async with together(tmp_path, services=services) as parts:
        host = parts.agent.host
        await give_totp(host)
        code = totp(host.wall_clock(), 1)
        assert await typed(parts, code) is Result.APPROVED
        assert await typed(parts, code) is Result.DENIED
        await parts.ended("replayed", 2)
        assert await typed(parts, ticket_of(parts.phone.record, "postgresql")) is Result.DENIED


async def test_an_account_may_be_given_a_totp_alone(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        host = parts.agent.host
        await give_totp(host)
        assert await typed(parts, totp(host.wall_clock(), -1)) is Result.DENIED
        await give_methods(host, {Method.TOTP})
        assert await typed(parts, totp(host.wall_clock())) is Result.APPROVED


async def test_who_tries_passwords_keeps_nobody_from_other_services(tmp_path: Path) -> None:
    """As long as one is wrong and not told, its place is taken; a service that shows has others."""
    async with together(tmp_path) as parts:
        host = parts.agent.host
        object.__setattr__(host, "silent", Silent(1))
        async with parts.agent.call(service="dovecot") as first:
            await asked(first)
            async with parts.agent.call(service="dovecot") as second:
                assert await second.result() is Result.DENIED
            await parts.ended("too-many")
            await next_context(parts)
            await first.send(RecordType.ANSWER, b"what?")
            assert await first.result() is Result.DENIED
        await parts.ended("wrong-code", 3)
        code = ticket_of(parts.phone.record, "dovecot")
        assert await typed(parts, code, name="dovecot") is Result.APPROVED


async def test_no_password_in_time(tmp_path: Path) -> None:
    services = {"dovecot": service("dovecot", timers=timers(validation=0.2))}
    async with together(tmp_path, services=services) as parts:
        async with parts.agent.call(service="dovecot") as caller:
            await asked(caller)
            assert await caller.result() is Result.DENIED
        await parts.ended("expired")


async def test_no_password_at_all(tmp_path: Path) -> None:
    """As when psql has none stored, and asks its user after a first try."""
    async with together(tmp_path) as parts:
        async with parts.agent.call(service="postgresql") as caller:
            await asked(caller)
            await caller.send(RecordType.FAILED)
            assert await caller.result() is Result.CONVERSATION_FAILED
        await parts.ended("conversation-failed")
        async with parts.agent.call(service="postgresql") as caller:
            await asked(caller)
        await parts.ended("cancelled", 2)
        assert (await next_context(parts)).failures == 0


async def test_who_only_waits_for_a_password_takes_nobodys_place(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, parts.agent.call(service="postgresql") as caller:
        await asked(caller)
        assert parts.agent.leftovers()["places"] == 0
        assert parts.agent.leftovers()["connections"] == 1


@pytest.mark.parametrize("text", ["0" * 10, "123456", "", "hunter2"])
async def test_an_unknown_user_is_told_the_same_as_late(tmp_path: Path, text: str) -> None:
    services = {"dovecot": service("dovecot", methods=[Method.TICKET, Method.TOTP])}
    async with together(tmp_path, services=services) as parts:
        await give_totp(parts.agent.host)
        lines = []
        for number, user in enumerate(("alice", "mallory"), start=1):
            assert await typed(parts, text, user, name="dovecot") is Result.DENIED
            lines.append(await parts.log.event("sign-on ended", number))
        assert [line["outcome"] for line in lines] == ["wrong-code"] * 2
        assert list(lines[0]["steps"]) == list(lines[1]["steps"])
        for line in lines:
            assert line["steps"]["ended"] - line["steps"]["typed"] >= WRONG_AFTER
