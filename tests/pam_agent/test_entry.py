"""What is decided before anybody is asked, with real parts."""

import os
from pathlib import Path

import pytest

from pam_agent.administration import Administration
from pam_agent.audit_log import AuditKind
from pam_agent.local_wire import RecordType, Result, SecretPart
from pam_agent.service_policy import Display, Secret
from tests.support.services import service
from tests.support.together import Together, signs_on, timers, together

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
NOBODY = 65534


async def break_glass(parts: Together, account: str = "alice", seconds: int = 3600) -> None:
    host = parts.agent.host
    opened = Administration(host.accounts.store).open_break_glass
    await opened(account, seconds, "lost phone", 0, host.wall_clock())


async def alias(parts: Together, name: str, account: str) -> None:
    host = parts.agent.host
    await Administration(host.accounts.store).set_alias(name, account, 0, host.wall_clock())


# ---- break-glass ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["pam", "configuration"])
async def test_break_glass_stands_for_the_device(tmp_path: Path, by: str) -> None:
    vouched = {"sshd": service("sshd", first_factor="password")}
    services = vouched if by == "configuration" else {}
    async with together(tmp_path, services=services) as parts:
        await break_glass(parts)
        first_factor = "publickey" if by == "pam" else ""
        async with parts.agent.call(service="sshd", first_factor=first_factor) as caller:
            assert await caller.result() is Result.APPROVED
            assert caller.shown == []
        line = await parts.ended("break-glass")
        assert line["level"] == "warning"
        entries = [entry for _, entry in await audit(parts) if entry.outcome == "break-glass"]
        assert [entry.kind for entry in entries] == [AuditKind.SIGN_ON]


async def audit(parts: Together) -> list[tuple[int, object]]:
    return await Administration(parts.agent.host.accounts.store).audit(0, 0)


async def test_break_glass_is_no_way_in_where_nothing_else_is_asked(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await break_glass(parts)
        async with parts.agent.call(service="sshd") as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        (said,) = parts.log.named("break-glass not used")
        assert said["advice"] == "if one has: set services.sshd.first_factor"
        async with parts.agent.call(service="postgresql") as caller:
            assert await caller.text() is RecordType.SECRET
            await caller.send(RecordType.ANSWER, b"anything")
            assert await caller.result() is Result.DENIED


async def test_break_glass_leaves_the_first_factor_to_those_that_follow(tmp_path: Path) -> None:
    services = {
        "ftp": service(
            "ftp", timers=timers(validation=1.0), display=Display.SILENT, secret=Secret.TAIL
        )
    }
    async with together(tmp_path, services=services) as parts:
        await break_glass(parts)
        async with parts.agent.call(service="ftp") as caller:
            assert await caller.text() is RecordType.SECRET
            assert caller.shown[0][1][0] == chr(SecretPart.TAIL)
            await caller.send(RecordType.ANSWER, b"")
            assert await caller.result() is Result.APPROVED
        async with parts.agent.call(service="ftp") as caller:
            assert await caller.text() is RecordType.SECRET
            assert await caller.result() is Result.DENIED
        await parts.ended("expired", 2)


async def test_break_glass_is_for_its_account(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await break_glass(parts, "bob")
        async with parts.agent.call(service="sshd", first_factor="publickey") as caller:
            await caller.passcode()
        await parts.ended("cancelled")


@needs_root
async def test_a_users_own_word_opens_no_break_glass(tmp_path: Path) -> None:
    for each in (tmp_path, *tmp_path.parents):
        each.chmod(each.stat().st_mode | 0o011)
    async with together(tmp_path) as parts:
        await break_glass(parts, "nobody")
        said = {"service": "sshd", "first_factor": "publickey", "uid": NOBODY}
        async with parts.agent.call("nobody", **said) as caller:
            await caller.passcode()
        await parts.ended("cancelled")


# ---- who has to sign on --------------------------------------------------------------------------


async def test_who_does_not_have_to_is_left_to_the_stack(tmp_path: Path) -> None:
    services = {"sshd": service("sshd", users=["root"])}
    async with together(tmp_path, services=services) as parts:
        for user, result in (("nobody", Result.IGNORED), ("root", None), ("mallory", None)):
            async with parts.agent.call(user, service="sshd") as caller:
                if result is None:
                    await caller.passcode()
                else:
                    assert await caller.result() is result
                    assert caller.shown == []


async def test_nobody_is_excepted_who_may_not_ask(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    for each in (tmp_path, *tmp_path.parents):
        each.chmod(each.stat().st_mode | 0o011)
    services = {"sshd": service("sshd", users=["root"])}
    async with together(tmp_path, services=services) as parts:
        async with parts.agent.call("daemon", service="sshd", uid=NOBODY) as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("not-allowed")


async def test_who_has_to_is_refused_where_nobody_can_be_asked(tmp_path: Path) -> None:
    services = {"cron": service("cron", users=["root"])}
    async with together(tmp_path, services=services) as parts:
        for user, result in (("nobody", Result.IGNORED), ("root", Result.DENIED)):
            async with parts.agent.call(user, service="cron") as caller:
                assert await caller.result() is result


# ---- other names ---------------------------------------------------------------------------------


async def test_another_name_of_an_account(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await alias(parts, "alice@example.org", "alice")
        async with parts.agent.call("alice@example.org", service="sshd") as caller:
            await signs_on(parts, caller, await caller.passcode())
        context = parts.phone.contexts[-1]
        assert (context.user, context.note) == ("alice", "signs on as alice@example.org")
        line = await parts.ended("approved")
        assert (line["user"], line["account"]) == ("alice@example.org", "alice")


async def test_a_revocation_ends_what_goes_on_under_another_name(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await alias(parts, "alice@example.org", "alice")
        async with parts.agent.call("alice@example.org", service="sshd") as caller:
            await caller.passcode()
            parts.agent.agent.revoked("alice")
            assert await caller.result() is Result.DENIED
        await parts.ended("revoked")


# ---- what the approver is told -------------------------------------------------------------------


async def test_the_note(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        said = {"ruser": "alice", "note": "sudo ./deploy", "directory": "/srv/web"}
        async with parts.agent.call(service="sudo", **said) as caller:
            await signs_on(parts, caller, await caller.passcode())
        assert parts.phone.contexts[-1].note == "as root, in /srv/web: sudo ./deploy"
