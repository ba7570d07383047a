import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing

from daemons import admin_socket as module
from daemons.lines import MAX_LINE, Done, Refused, encode_line
from pam_agent.accounts import Accounts
from pam_agent.admin import Admin, Progress
from pam_agent.admin_wire import (
    DeviceLine,
    Enroll,
    LinkKey,
    ListAccounts,
    Reply,
    Request,
    Revoke,
    ShowLinkKey,
    ShowStatus,
    Unknown,
    Why,
    decode_reply,
)
from pam_agent.enrolment_events import Compare, Enrolled, Offered
from pam_agent.enrolments import Enrolments
from pam_agent.schema import StoreError
from tests.support.agent_store import NOW, enrol

NOBODY = 65534
OFFERED = Offered("bartizan:abc", int(NOW))


class Running:
    """An admin socket with a real store behind it; the enrolment is the test's."""

    def __init__(self, accounts: Accounts, path: Path) -> None:
        self.accounts = accounts
        self.path = path
        self.revoked: list[str] = []
        self.enrolments: list[str] = []
        self.enrolment: Callable[[Progress], Awaitable[None]] = enrol_at_once
        self.admin = Admin(accounts, "web1", self.enrol, self.revoked.append, self.about)

    async def enrol(self, account: str, progress: Progress) -> None:
        self.enrolments.append(account)
        await self.enrolment(progress)

    async def about(self, request: ShowStatus | Why) -> list[Reply]:
        return [Unknown(NOW, 3), Unknown(NOW, 4)]

    async def ask(self, request: Request | bytes) -> list[Reply]:
        async with await trio.open_unix_socket(self.path) as stream:
            await stream.send_all(request if isinstance(request, bytes) else encode_line(request))
            return await replies(stream)


async def replies(stream: trio.SocketStream) -> list[Reply]:
    """All until the end of the stream."""
    text = b"".join([chunk async for chunk in stream])
    return [decode_reply(line) for line in text.splitlines(keepends=True)]


async def enrol_at_once(progress: Progress) -> None:
    for event in (OFFERED, Compare("phone", "012345"), Enrolled("phone")):
        await progress(event)


@pytest.fixture
async def running(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Running]:
    async with Accounts.open(tmp_path / "state", NOW) as accounts:
        running = Running(accounts, tmp_path / "admin.sock")
        async with trio.open_nursery() as own:
            await own.start(running.admin.serve, running.path)
            yield running
            own.cancel_scope.cancel()


async def test_the_socket_is_the_owners(running: Running) -> None:
    assert running.path.stat().st_mode & 0o777 == 0o600


async def test_accounts(running: Running) -> None:
    assert await running.ask(ListAccounts()) == [Done()]
    phone = await enrol(running.accounts)
    tablet = await enrol(running.accounts, "bob", "tablet")
    assert await running.ask(ListAccounts()) == [
        DeviceLine.of(phone),
        DeviceLine.of(tablet),
        Done(),
    ]


async def test_revoke_tells_the_sign_ons(running: Running) -> None:
    phone, tablet = await enrol(running.accounts), await enrol(running.accounts, name="tablet")
    other = await enrol(running.accounts, "bob")
    with structlog.testing.capture_logs() as logs:
        assert await running.ask(Revoke("alice", phone.id)) == [DeviceLine.of(phone), Done()]
    assert running.revoked == ["alice"]
    assert [(line["event"], line["account"], line["device"]) for line in logs] == [
        ("device revoked", "alice", phone.id)
    ]
    assert await running.ask(Revoke("alice", None)) == [DeviceLine.of(tablet), Done()]
    assert running.revoked == ["alice", "alice"]
    assert await Enrolments(running.accounts.store).list_devices() == (other,)


async def test_revoking_nothing_disturbs_nobody(running: Running) -> None:
    phone = await enrol(running.accounts)
    assert await running.ask(Revoke("bob", phone.id)) == [Done()]
    assert await running.ask(Revoke("bob", None)) == [Done()]
    assert running.revoked == []


async def test_link_key(running: Running) -> None:
    identity = await running.accounts.identity()
    assert await running.ask(ShowLinkKey()) == [LinkKey(identity.link_public, "web1"), Done()]


@pytest.mark.parametrize("request_", [ShowStatus(), Why("yjbwpywuzsfzq")])
async def test_what_the_agent_says_of_itself(running: Running, request_: ShowStatus | Why) -> None:
    assert await running.ask(request_) == [Unknown(NOW, 3), Unknown(NOW, 4), Done()]


async def test_enroll_tells_every_event(running: Running) -> None:
    assert await running.ask(Enroll("alice")) == [
        OFFERED,
        Compare("phone", "012345"),
        Enrolled("phone"),
        Done(),
    ]
    assert running.enrolments == ["alice"]


@pytest.mark.parametrize("rest", [None, b"x"])
async def test_closing_cancels_an_enrolment(running: Running, rest: bytes | None) -> None:
    cancelled = trio.Event()

    async def wait(progress: Progress) -> None:
        await progress(OFFERED)
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    running.enrolment = wait
    async with await trio.open_unix_socket(running.path) as stream:
        await stream.send_all(encode_line(Enroll("alice")))
        assert decode_reply(await stream.receive_some()) == OFFERED
        assert not cancelled.is_set()
        if rest is not None:
            await stream.send_all(rest)
            await cancelled.wait()
    await cancelled.wait()
    assert await running.ask(ListAccounts()) == [Done()]


async def test_a_caller_that_cannot_be_told_ends_the_enrolment(running: Running) -> None:
    """Even when the end of its stream has not come yet."""
    deaf = trio.Event()
    ended = trio.Event()

    async def tell(progress: Progress) -> None:
        try:
            await progress(OFFERED)
            await deaf.wait()
            await progress(OFFERED)
            await trio.sleep_forever()
        finally:
            ended.set()

    running.enrolment = tell
    async with await trio.open_unix_socket(running.path) as stream:
        await stream.send_all(encode_line(Enroll("alice")))
        await stream.receive_some()
        stream.socket.shutdown(trio.socket.SHUT_RD)
        deaf.set()
        await ended.wait()
    assert await running.ask(ListAccounts()) == [Done()]


async def test_a_caller_that_does_not_read_is_let_go(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_SECONDS", 0.05)
    ended = trio.Event()

    async def flood(progress: Progress) -> None:
        try:
            while True:
                await progress(Compare("x" * 1000, "012345"))
        finally:
            ended.set()

    running.enrolment = flood
    async with await trio.open_unix_socket(running.path) as stream:
        await stream.send_all(encode_line(Enroll("alice")))
        await ended.wait()


async def test_a_failing_store_is_told(running: Running) -> None:
    async def fail(progress: Progress) -> None:
        raise StoreError("agent.db: the disk is full")

    running.enrolment = fail
    assert await running.ask(Enroll("alice")) == [Refused("agent.db: the disk is full")]
    running.accounts.store.db.execute("DROP TABLE generation")
    await trio.to_thread.run_sync(running.accounts.store.db.execute, "PRAGMA foreign_keys = OFF")
    running.accounts.store.db.execute(
        "INSERT INTO device (account, name, public, rendezvous_root, created)"
        " VALUES ('a', 'b', zeroblob(32), zeroblob(32), 0)"
    )
    (refused,) = await running.ask(ListAccounts())
    assert isinstance(refused, Refused)
    assert "agent.db: " in refused.reason


@pytest.mark.parametrize(
    "line",
    [b"\n", b"GET / HTTP/1.0\r\n", b'{"type":"shutdown"}\n', b"x" * (MAX_LINE + 1), b"\xff\n"],
    ids=lambda line: str(line[:20]),
)
async def test_what_is_no_request_gets_no_answer(running: Running, line: bytes) -> None:
    with structlog.testing.capture_logs() as logs:
        assert await running.ask(line) == []
    assert [entry["event"] for entry in logs] == ["admin request refused"]


async def test_a_request_byte_by_byte(running: Running) -> None:
    async with await trio.open_unix_socket(running.path) as stream:
        for byte in encode_line(ListAccounts()):
            await stream.send_all(bytes((byte,)))
            await trio.testing.wait_all_tasks_blocked()
        assert await replies(stream) == [Done()]


async def test_a_request_that_never_comes(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_SECONDS", 0.01)
    with structlog.testing.capture_logs() as logs:
        assert await running.ask(b'{"type":') == []
    assert logs[0]["reason"] == "no whole line in time"


async def test_a_connection_without_a_request(running: Running) -> None:
    with structlog.testing.capture_logs() as logs:
        stream = await trio.open_unix_socket(running.path)
        await stream.aclose()
        assert await running.ask(ListAccounts()) == [Done()]
    assert logs == []


async def test_root_and_the_agents_user_are_heard(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nursery: trio.Nursery
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    admin = Admin(running.accounts, "web1", running.enrol, running.revoked.append, running.about)
    await nursery.start(admin.serve, tmp_path / "other.sock")
    running.path = tmp_path / "other.sock"
    for uid, heard in ((0, True), (12345, True), (1, False), (12346, False)):
        monkeypatch.setattr(module, "peer_uid", lambda stream, uid=uid: uid)
        try:
            answer = await running.ask(ListAccounts())
        except trio.BrokenResourceError:  # closed with the request unread
            answer = []
        assert answer == ([Done()] if heard else [])
    nursery.cancel_scope.cancel()


ANOTHER_USER = """
import socket, sys
caller = socket.socket(socket.AF_UNIX)
caller.connect(sys.argv[1])
try:
    caller.sendall(b'{"type":"accounts"}\\n')
    print(caller.recv(100))
except ConnectionError:
    print(b"")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_another_user_is_not_heard(running: Running, nursery: trio.Nursery) -> None:
    """With the file's mode out of the way: peer credentials alone must do."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "admin.sock"
        await nursery.start(running.admin.serve, path)
        path.chmod(0o666)
        answers = []
        with structlog.testing.capture_logs() as logs:
            for uid in (0, NOBODY):
                done = await trio.run_process(
                    ["/usr/bin/python3", "-c", ANOTHER_USER, str(path)],
                    capture_stdout=True,
                    user=uid,
                )
                answers.append(done.stdout.strip())
        assert answers == [b'b\'{"type":"done"}\\n\'', b"b''"]
        assert [entry["uid"] for entry in logs] == [NOBODY]
        nursery.cancel_scope.cancel()


async def test_no_more_connections_than_its_limit(running: Running) -> None:
    streams = [await trio.open_unix_socket(running.path) for _ in range(module.MOST_CONNECTIONS)]
    await trio.testing.wait_all_tasks_blocked(0.01)
    answered = trio.Event()

    async def ask() -> None:
        assert await running.ask(ListAccounts()) == [Done()]
        answered.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not answered.is_set()
        for stream in streams:
            await stream.aclose()
        await answered.wait()
