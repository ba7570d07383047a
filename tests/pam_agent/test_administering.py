"""Aliases, methods, break-glass and the audit log over the admin socket."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
import trio

from daemons.lines import AdminWireError, Done, Refused, encode_line
from pam_agent.accounts import Accounts
from pam_agent.admin import Admin, Progress
from pam_agent.admin_wire import (
    Enroll,
    Reply,
    Request,
    ShowStatus,
    Why,
    decode_reply,
    decode_request,
)
from pam_agent.administration_wire import (
    AliasLine,
    AuditLine,
    BreakGlassLine,
    EndBreakGlass,
    ListAdministration,
    MethodsLine,
    OpenBreakGlass,
    SetAlias,
    SetMethods,
    ShowAudit,
)
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.methods import Method
from pam_agent.totp_wire import RemoveTotp, SetTotp
from tests.support.agent_store import enrol


class Running:
    """A real store behind a real socket, with the watch beside it."""

    def __init__(self, accounts: Accounts, path: Path) -> None:
        self.accounts = accounts
        self.path = path
        self.changed: list[str] = []
        self.admin = Admin(accounts, "web1", self.nobody, self.changed.append, self.nothing)

    async def nobody(self, account: str, progress: Progress) -> None:
        raise AssertionError("nobody is to be enrolled")

    async def nothing(self, request: ShowStatus | Why) -> list[Reply]:
        return []

    async def ask(self, request: Request) -> list[Reply]:
        async with await trio.open_unix_socket(self.path) as stream:
            await stream.send_all(encode_line(request))
            text = b"".join([chunk async for chunk in stream])
        return [decode_reply(line) for line in text.splitlines(keepends=True)]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with Accounts.open(tmp_path / "state", time.time()) as accounts:
        running = Running(accounts, tmp_path / "admin.sock")
        async with trio.open_nursery() as nursery:
            await nursery.start(running.admin.serve, running.path)
            nursery.start_soon(running.admin.watch.run)
            yield running
            nursery.cancel_scope.cancel()


async def test_aliases_and_methods_are_set_and_listed(running: Running) -> None:
    assert await running.ask(SetAlias("tom", "thomas")) == [Done()]
    assert await running.ask(SetMethods("thomas", "*", (Method.TOTP, Method.APPROVE))) == [Done()]
    assert await running.ask(ListAdministration()) == [
        AliasLine("tom", "thomas"),
        MethodsLine("thomas", "*", (Method.APPROVE, Method.TOTP)),
        Done(),
    ]
    assert await running.ask(SetAlias("tom", None)) == [Done()]
    assert await running.ask(SetMethods("thomas", "*", ())) == [Done()]
    assert await running.ask(ListAdministration()) == [Done()]


async def test_whoever_it_concerns_keeps_no_lease(running: Running) -> None:
    """What waits or was leased by what counted before ends (Agent.revoked)."""
    for request, changed in (
        (SetAlias("tom", "thomas"), {"tom", "thomas"}),
        (SetAlias("tom", "anna"), {"tom", "thomas", "anna"}),
        (SetAlias("tom", None), {"tom", "anna"}),
        (SetMethods("thomas", "*", (Method.CODE,)), {"thomas"}),
        (SetMethods("thomas", "*", ()), {"thomas"}),
        (SetMethods("thomas", "*", ()), set()),
        (SetTotp("thomas"), {"thomas"}),
        (RemoveTotp("thomas"), {"thomas"}),
        (ListAdministration(), set()),
    ):
        running.changed.clear()
        await running.ask(request)
        assert set(running.changed) == changed


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (SetAlias("tom", "tom"), "tom is itself already"),
        (SetAlias("tom", None), "tom is no other name of anybody"),
        (SetMethods("tom", "sshd", ()), "nothing was set for tom and sshd"),
        (OpenBreakGlass("tom", 60, " \u202e\n"), "a reason is needed"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    running: Running, request_: Request, why: str
) -> None:
    (reply,) = await running.ask(request_)
    assert isinstance(reply, Refused)
    assert why in reply.reason


async def test_another_name_is_not_enrolled(running: Running) -> None:
    await running.ask(SetAlias("tom", "thomas"))
    assert await running.ask(Enroll("tom")) == [
        Refused("tom is another name of thomas: enrol that")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may open one")
async def test_a_break_glass_is_a_warning_and_ends(running: Running) -> None:
    with structlog.testing.capture_logs() as logs:
        line, done = await running.ask(OpenBreakGlass("alice", 3600, "lost\u202e phone"))
        assert isinstance(line, BreakGlassLine)
        assert done == Done()
        assert (line.account, line.until - line.opened, line.by_uid) == ("alice", 3600, 0)
        assert line.reason == "lost phone"
        assert await running.ask(ListAdministration()) == [line, Done()]
        assert await running.ask(EndBreakGlass("alice")) == [line, Done()]
        assert await running.ask(EndBreakGlass("alice")) == [Done()]
    told = [(each["event"], each["log_level"], each["user"]) for each in logs]
    assert told == [
        ("break-glass opened", "warning", "alice"),
        ("break-glass ended", "warning", "alice"),
    ]


async def test_only_root_may(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's own user is heard by the socket, and refused here."""
    monkeypatch.setattr("pam_agent.admin.peer_uid", lambda stream: 988)
    for request in (OpenBreakGlass("alice", 3600, "lost phone"), EndBreakGlass("alice")):
        assert await running.ask(request) == [Refused("only root may open or end a break-glass")]
    assert await running.ask(ListAdministration()) == [Done()]
    assert await running.ask(SetAlias("tom", "thomas")) == [Done()]
    assert await running.ask(ShowAudit(0)) != [Done()]


async def test_the_audit_log_is_told_in_order(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pam_agent.administration.AUDIT_BATCH", 3)
    phone = await enrol(running.accounts)
    for number in range(10):
        entry = AuditEntry(
            2_000_000_000 + number,
            AuditKind.SIGN_ON,
            "alice",
            "approved",
            "sshd",
            "192.0.2.7",
            phone.id,
            "",
            bytes([number]) * 32,
        )
        await running.accounts.audit(entry)
    replies = await running.ask(ShowAudit(2_000_000_000))
    assert replies[-1] == Done()
    lines = [each for each in replies if isinstance(each, AuditLine)]
    assert [line.at - 2_000_000_000 for line in lines] == list(range(10))
    assert lines[3].handshake == "03" * 32
    assert len(await running.ask(ShowAudit(0))) == 12


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"open-break-glass","account":"a","seconds":59,"reason":"x"}\n',
        b'{"type":"open-break-glass","account":"a","seconds":86401,"reason":"x"}\n',
        b'{"type":"open-break-glass","account":"a","seconds":60,"reason":""}\n',
        b'{"type":"open-break-glass","account":"a","seconds":60,"reason":"' + b"x" * 101 + b'"}\n',
        b'{"type":"open-break-glass","account":"","seconds":60,"reason":"x"}\n',
        b'{"type":"set-methods","account":"a","service":"","methods":[]}\n',
        b'{"type":"set-methods","account":"a","service":"su","methods":["push"]}\n',
        b'{"type":"set-methods","account":"a","service":"su","methods":["totp","totp","totp",'
        b'"totp","totp"]}\n',
        b'{"type":"set-alias","name":"a"}\n',
        b'{"type":"show-audit","since":-1}\n',
    ],
)
def test_bounds_are_kept(line: bytes) -> None:
    with pytest.raises(AdminWireError):
        decode_request(line)
