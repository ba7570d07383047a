"""The command line as people run it: its own process, the real daemon or a real admin socket."""

import base64
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from daemons.admin_client import UnreachableError
from daemons.connections import serve_connections
from daemons.unix_listener import unix_listener
from pam_agent import check, check_host
from pam_agent.accounts import Accounts
from pam_agent.admin import Admin, Progress
from pam_agent.admin_client import ask
from pam_agent.admin_wire import ListAccounts, RelayStatus, Reply, ShowStatus, Why
from pam_agent.config import load
from pam_agent.enrolment_events import (
    Compare,
    Enrolled,
    EnrolmentEvent,
    EnrolmentFailure,
    Failed,
    Offered,
)
from pam_agent.enrolments import Enrolments
from pam_agent.methods import Method
from pam_agent.schema import FILE_NAME, StoreError
from protocol.enrolment import Offer
from tests.support.agent_store import NOW, enrol
from tests.support.services import service

PROGRAM = [sys.executable, "-c", "from pam_agent.cli import main; main()"]
OFFER = Offer(bytes(32), bytes(range(32)), int(NOW), 7, ("relay:4817",), "web1")
OFFERED = Offered(OFFER.encode(), OFFER.expires)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "agent.toml"
    file.write_text(
        f'host = "web1"\nstate = "{tmp_path}/state"\n'
        f'socket = "{tmp_path}/pam.sock"\nadmin_socket = "{tmp_path}/admin.sock"\n'
        f'[[relays]]\nlink = "unix:{tmp_path}/no-relay.sock"\nvalidators = ["relay:4817"]\n'
    )
    return file


async def run(
    config: Path, *arguments: str, answer: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    done = await trio.run_process(
        [*PROGRAM, *arguments, "--config", str(config)],
        stdin=answer,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def change(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


class Daemon:
    """A real admin socket and store; the events of an enrolment are the test's."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.events: list[EnrolmentEvent] = []
        self.replies: list[Reply] = []
        self.error: StoreError | None = None
        self.cancelled = trio.Event()

    async def about(self, request: ShowStatus | Why) -> list[Reply]:
        return self.replies

    async def enrol(self, account: str, progress: Progress) -> None:
        for event in self.events:
            await progress(event)
        if self.error is not None:
            raise self.error
        if not self.events or isinstance(self.events[-1], Enrolled | Failed):
            return
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled.set()


@pytest.fixture
async def daemon(tmp_path: Path, config: Path) -> AsyncIterator[Daemon]:
    async with (
        Accounts.open(tmp_path / "state", NOW) as accounts,
        trio.open_nursery() as nursery,
    ):
        daemon = Daemon(accounts)
        admin = Admin(accounts, "web1", daemon.enrol, lambda account: None, daemon.about)
        await nursery.start(admin.serve, tmp_path / "admin.sock")
        yield daemon
        nursery.cancel_scope.cancel()


@contextlib.contextmanager
def serving(config: Path) -> Iterator[subprocess.Popen[str]]:
    """The real daemon, up."""
    with subprocess.Popen(
        [*PROGRAM, "serve", "--config", str(config)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            while json.loads(process.stderr.readline())["event"] != "agent up":
                pass  # an end of the stream is no JSON
            yield process
        finally:
            process.kill()


# ---- serve ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly(config: Path, tmp_path: Path, number: int) -> None:
    with serving(config) as process:
        assert (tmp_path / "pam.sock").is_socket()
        assert (tmp_path / "admin.sock").is_socket()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert {file.name for file in (tmp_path / "state").iterdir()} == {FILE_NAME}
    assert not (tmp_path / "pam.sock").exists()
    assert not (tmp_path / "admin.sock").exists()


async def test_serve_with_a_bad_configuration(config: Path) -> None:
    change(config, "host", "hots")
    done = await run(config, "serve")
    assert done.returncode == 3
    assert (
        done.stderr.decode()
        == f"bartizan-agent: {config}: hots: unknown key: did you mean `host`?\n"
    )


async def test_serve_with_a_bad_store(config: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    done = await run(config, "serve")
    assert done.returncode == 3
    assert b"others may use it" in done.stderr
    assert done.stderr.count(b"\n") == 1


async def test_serve_without_a_place_for_its_sockets(config: Path, tmp_path: Path) -> None:
    change(config, "pam.sock", "none/pam.sock")
    done = await run(config, "serve")
    assert done.returncode == 3
    assert b"none/pam.sock: cannot listen: No such file or directory" in done.stderr


async def test_a_second_daemon_is_refused(config: Path) -> None:
    with serving(config):
        done = await run(config, "serve")
    assert done.returncode == 3
    assert b"another process has it open" in done.stderr


# ---- check-config --------------------------------------------------------------------------------


async def test_check_config_says_what_a_good_file_comes_to(config: Path, tmp_path: Path) -> None:
    done = await run(config, "check-config")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        f"{config}: no mistake found",
        "  host    web1",
        f"  state   {tmp_path}/state",
        f"  socket  {tmp_path}/pam.sock",
        f"  relay   unix:{tmp_path}/no-relay.sock, devices reach it at relay:4817",
    ]
    assert not (tmp_path / "state").exists()


async def test_check_config_says_what_services_are_given(config: Path) -> None:
    good = config.with_name("good.toml")
    good.write_text(
        "[services.sshd]\nmethods = ['approve', 'code']\nusers = ['ada']\ngroups = ['admins']\n"
        "[services.sudo]\nfirst_factor = 'password'\nlease = 600\n"
        "[services.dovecot]\nmethods = ['totp', 'ticket']\nsecret = 'tail'\n"
        "[services.cron]\n"
    )
    done = await run(config, "check-config", str(good))
    assert done.returncode == 0
    assert [line for line in done.stdout.decode().splitlines() if "service" in line] == [
        "  service sshd: prompt, approve, code, no code unless PAM says what went before"
        " (first_factor is not set), only for ada, admins, at most 107 s",
        "  service sudo: info, approve, a lease of 600 s, at most 107 s",
        "  service dovecot: silent, ticket, totp, behind the password's last comma, at most 47 s",
        "  service cron: refuse, at most 107 s",
    ]


async def test_check_config_names_every_mistake(config: Path) -> None:
    bad = config.with_name("bad.toml")
    bad.write_text("hots = 'web1'\nsocket = 'pam.sock'\n[timers]\nqueue = 0\n")
    done = await run(config, "check-config", str(bad))
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.decode().splitlines() == [
        f"bartizan-agent: {bad}: hots: unknown key: did you mean `host`?",
        f"bartizan-agent: {bad}: timers.queue: found 0, expected a number, 0.1 to 30",
    ]
    change(bad, "hots", "host")
    change(bad, "queue = 0", "queue = 1")
    done = await run(config, "check-config", str(bad))
    assert done.returncode == 3
    assert b'bad.toml: socket: found "pam.sock", expected an absolute path' in done.stderr


async def test_check_config_without_the_file(config: Path) -> None:
    done = await run(config, "check-config", str(config.with_name("none.toml")))
    assert done.returncode == 3
    assert b"none.toml: no such file" in done.stderr


# ---- no daemon -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["accounts"], ["revoke", "root", "--yes"], ["enroll", "root"], ["link-key"]]
)
async def test_without_a_daemon(config: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = await run(config, *arguments)
    assert done.returncode == 4
    assert f"{tmp_path}/admin.sock: no agent listens there" in done.stderr.decode()
    assert done.stdout == b""


def test_without_permission(config: Path, tmp_path: Path) -> None:
    """Of the folder for root as somebody else, of the socket for others."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "admin.sock"))
        listening.listen(1)
        (tmp_path / "admin.sock").chmod(0)
        as_root = os.geteuid() == 0
        if as_root:
            os.seteuid(65534)
        try:
            with pytest.raises(UnreachableError, match="permission denied: run this as root"):
                list(ask(tmp_path / "admin.sock", ListAccounts()))
        finally:
            if as_root:
                os.seteuid(0)


async def test_what_is_no_daemon(config: Path, tmp_path: Path, nursery: trio.Nursery) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b'{"type":"device"')

    async with unix_listener(tmp_path / "admin.sock", 0o600) as listener:
        nursery.start_soon(serve_connections, listener, hang_up, 1)
        done = await run(config, "accounts")
        assert done.returncode == 4
        assert b"ended the connection or does not answer" in done.stderr
        nursery.cancel_scope.cancel()


# ---- accounts, revoke, link-key ------------------------------------------------------------------


async def test_accounts(config: Path, daemon: Daemon) -> None:
    done = await run(config, "accounts")
    assert (done.returncode, done.stdout) == (0, b"")
    await enrol(daemon.accounts)
    await enrol(daemon.accounts, "bob", "my tablet")
    done = await run(config, "accounts")
    assert done.returncode == 0
    heading, *rows = [line.split("  ") for line in done.stdout.decode().splitlines()]
    assert heading[0].strip() == "ACCOUNT"
    assert [row[0].strip() for row in rows] == ["alice", "bob"]
    assert "my tablet" in done.stdout.decode()
    assert b"never" in done.stdout


async def test_accounts_for_programs(config: Path, daemon: Daemon) -> None:
    device = await enrol(daemon.accounts)
    found = json.loads((await run(config, "accounts", "--json")).stdout)
    assert found == [
        {
            "type": "device",
            "account": "alice",
            "device_id": device.id,
            "name": "phone",
            "state": "active",
            "failures": 0,
            "created": int(NOW),
            "last_used": 0,
        }
    ]


async def test_revoke_by_number_and_by_name(config: Path, daemon: Daemon) -> None:
    phone = await enrol(daemon.accounts)
    await enrol(daemon.accounts, name="tablet")
    done = await run(config, "revoke", "alice", str(phone.id), "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"revoked: 1")
    assert [each.name for each in await Enrolments(daemon.accounts.store).list_devices()] == [
        "tablet"
    ]
    assert (await run(config, "revoke", "alice", "tablet", "--yes")).returncode == 0
    assert await Enrolments(daemon.accounts.store).list_devices() == ()


async def test_revoke_asks_first(config: Path, daemon: Daemon) -> None:
    await enrol(daemon.accounts)
    await enrol(daemon.accounts, name="tablet")
    await enrol(daemon.accounts, "bob")
    for answer, code, left in ((b"n\n", 1, 3), (b"", 1, 3), (b"y\n", 0, 1)):
        done = await run(config, "revoke", "alice", answer=answer)
        assert done.returncode == code
        assert b"phone" in done.stdout
        assert b"tablet" in done.stdout
        assert len(await Enrolments(daemon.accounts.store).list_devices()) == left


async def test_a_name_that_two_devices_have(config: Path, daemon: Daemon) -> None:
    first, _ = await enrol(daemon.accounts), await enrol(daemon.accounts)
    done = await run(config, "revoke", "alice", "phone", "--yes")
    assert done.returncode == 1
    assert b"alice has 2 devices of that name: give the number" in done.stderr
    assert (await run(config, "revoke", "alice", str(first.id), "--yes")).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mallory"], b"mallory has no device"),
        (["alice", "watch"], b"alice has no such device"),
        (["alice", "99"], b"alice has no such device"),
    ],
)
async def test_nothing_to_revoke(
    config: Path, daemon: Daemon, arguments: list[str], message: bytes
) -> None:
    await enrol(daemon.accounts)
    done = await run(config, "revoke", *arguments, "--yes")
    assert done.returncode == 1
    assert message in done.stderr


async def test_a_failing_store_is_told(config: Path, daemon: Daemon) -> None:
    daemon.error = StoreError("agent.db: the disk is full")
    done = await run(config, "enroll", "root")
    assert done.returncode == 1
    assert done.stderr == b"bartizan-agent: agent.db: the disk is full\n"


async def test_link_key_with_the_daemon_and_without(config: Path, tmp_path: Path) -> None:
    with serving(config):
        running = await run(config, "link-key")
    assert running.returncode == 0
    key, name = running.stdout.decode().split()
    assert name == "web1"
    stopped = await run(config, "link-key")
    assert stopped.stdout == running.stdout
    async with Accounts.open(tmp_path / "state", NOW) as accounts:
        assert base64.b64decode(key) == (await accounts.identity()).link_public
    (tmp_path / "state").chmod(0o755)
    assert (await run(config, "link-key")).returncode == 3


async def test_root_reads_the_link_key_as_the_stores_owner(config: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root")
    with serving(config):
        running = await run(config, "link-key")
    for above in (tmp_path, *tmp_path.parents):
        above.chmod(above.stat().st_mode | 0o011)
    files = [tmp_path / "state", *(tmp_path / "state").iterdir()]
    for each in files:
        os.chown(each, 65534, 65534)
    stopped = await run(config, "link-key")
    assert stopped.stdout == running.stdout, stopped.stderr
    assert {each.stat().st_uid for each in (tmp_path / "state").iterdir()} == {65534}


# ---- enroll --------------------------------------------------------------------------------------


async def test_enroll(config: Path, daemon: Daemon) -> None:
    offered = Offered(OFFER.encode(), int(time.time()) + 615)
    daemon.events = [offered, Compare("my \x1b[7mphone", "012345"), Enrolled("my \x1b[7mphone")]
    done = await run(config, "enroll", "root")
    shown = done.stdout.decode()
    assert done.returncode == 0
    code = shown[shown.index("bartizan:") : shown.index("\nWorks once")]
    assert Offer.decode(code) == OFFER
    assert "for 10 minutes" in shown
    assert "only if it shows the same digits: 012 345" in shown
    assert "enrolled: my [7mphone for root" in shown
    assert "\x1b" not in shown
    assert "█" not in shown
    assert done.stderr == b""


async def test_enroll_for_programs(config: Path, daemon: Daemon) -> None:
    daemon.events = [OFFERED, Compare("phone", "012345"), Enrolled("phone")]
    done = await run(config, "enroll", "root", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["offered", "compare", "enrolled"]
    assert lines[0]["uri"] == OFFER.encode()


@pytest.mark.parametrize("reason", list(EnrolmentFailure))
async def test_enroll_without_a_device(
    config: Path, daemon: Daemon, reason: EnrolmentFailure
) -> None:
    daemon.events = [Failed(reason)]
    done = await run(config, "enroll", "root")
    assert done.returncode == 1
    assert done.stderr.startswith(b"bartizan-agent: not enrolled: ")


async def test_enroll_that_ends_without_a_word(config: Path, daemon: Daemon) -> None:
    done = await run(config, "enroll", "root")
    assert done.returncode == 1
    assert b"the agent ended it" in done.stderr


async def test_enroll_for_a_user_whom_the_host_does_not_know(config: Path, daemon: Daemon) -> None:
    daemon.events = [OFFERED, Enrolled("phone")]
    done = await run(config, "enroll", "no-such-user")
    assert done.returncode == 0
    assert done.stderr == b"note: this host knows no user no-such-user; doing it anyway\n"


@pytest.mark.parametrize("user", ["", "a\nb", "a\x1bb", "\udcff", "a" * 257])
async def test_names_that_no_user_has(config: Path, user: str) -> None:
    done = await run(config, "enroll", user)
    assert done.returncode == 2
    assert b"expected 1 to 256 printable characters" in done.stderr


async def test_control_c_makes_the_offer_void(config: Path, daemon: Daemon) -> None:
    daemon.events = [OFFERED]
    process = await trio.lowlevel.open_process(
        [*PROGRAM, "enroll", "root", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    shown = b""
    while b"Works once" not in shown:
        chunk = await process.stdout.receive_some()
        assert chunk, shown
        shown += chunk
    assert b"bartizan:" not in await trio.Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.send_signal(signal.SIGINT)
    await daemon.cancelled.wait()
    assert await process.wait() == 1


def on_a_terminal(config: Path, columns: int, *options: str, **environment: str) -> tuple[str, int]:
    """What `enroll` shows on a terminal of so many columns."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "COLUMNS": str(columns), **environment})
        os.execv(sys.executable, [*PROGRAM, "enroll", "root", "--config", str(config), *options])
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 4096):
            shown += chunk
    os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


UTF8 = {"PYTHONUTF8": "1"}


@pytest.mark.parametrize(
    ("columns", "options", "environment", "qr"),
    [
        (120, (), UTF8, True),
        (120, ("--no-qr",), UTF8, False),
        (40, (), UTF8, False),
        (120, (), UTF8 | {"TERM": "dumb"}, False),
        (120, (), {"PYTHONIOENCODING": "ascii"}, False),
    ],
    ids=["shown", "not wanted", "narrow", "dumb", "no UTF-8"],
)
async def test_the_qr_code_is_shown_where_it_can_be(
    config: Path,
    daemon: Daemon,
    columns: int,
    options: tuple[str, ...],
    environment: dict[str, str],
    qr: bool,
) -> None:
    daemon.events = [OFFERED, Enrolled("phone")]
    shown, code = await trio.to_thread.run_sync(
        lambda: on_a_terminal(config, columns, *options, **environment)
    )
    assert code == 0
    assert ("█" in shown) is qr
    assert ("\x1b[97m\x1b[40m" in shown) is qr
    typed = shown.replace("\r", "")
    typed = typed[typed.index("bartizan:") : typed.index("\nWorks once")]
    assert Offer.decode(typed) == OFFER


def test_help_and_version() -> None:
    for arguments, expected in ((["--help"], "enroll"), (["--version"], "bartizan-agent")):
        done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=True)
        assert expected in done.stdout


async def test_check_says_which_relay_does_not_answer(config: Path, daemon: Daemon) -> None:
    daemon.replies = [
        RelayStatus("unix:/run/near.sock", True, NOW, 0, 0, ""),
        RelayStatus("tcp:far.example:4816", False, NOW, 0, 1, "connection refused"),
    ]
    done = await run(config, "check", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    relays = [each for each in found if each["word"] == "relay-down"]
    assert done.returncode == 1
    assert [(each["where"], each["wrong"]) for each in relays] == [
        ("tcp:far.example:4816", "this relay does not answer: connection refused.")
    ]


async def test_check_looks_at_the_clock_where_it_counts(
    config: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_host.time, "time", lambda: 0.0)
    for methods, words in (("approve", set[str]()), ("totp", {"clock-wrong"})):
        chosen = load(config)
        policies = {"vpn": service("vpn", methods=[Method(methods)])}
        host = check.Host(replace(chosen, services=policies))
        found = await trio.to_thread.run_sync(lambda host=host: list(check.findings(host)))
        assert {each.word for each in found if each.word.startswith("clock")} == words


async def test_check_looks_at_the_clock_where_an_account_has_totp(
    config: Path, daemon: Daemon
) -> None:
    assert not await trio.to_thread.run_sync(check_host.has_totp, load(config))
    done = await run(config, "methods", "ada", "totp")
    assert done.returncode == 0
    assert await trio.to_thread.run_sync(check_host.has_totp, load(config))
