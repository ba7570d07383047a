"""`bartizan-agent totp` as people run it: its own process, a real admin socket and store."""

import contextlib
import os
import pty
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from pam_agent.accounts import Accounts
from pam_agent.admin import Admin
from pam_agent.records import Totp
from pam_agent.rows import read_totp, write_totp
from pam_agent.totp_uri import typed_secret
from tests.support.agent_store import NOW, enrol

PROGRAM = [sys.executable, "-c", "from pam_agent.cli import main; main()"]
UTF8 = {"PYTHONUTF8": "1", "TERM": "xterm", "COLUMNS": "120"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "agent.toml"
    file.write_text(
        f'host = "web1"\nstate = "{tmp_path}/state"\n'
        f'socket = "{tmp_path}/pam.sock"\nadmin_socket = "{tmp_path}/admin.sock"\n'
        f'[[relays]]\nlink = "unix:{tmp_path}/no-relay.sock"\nvalidators = ["relay:4817"]\n'
    )
    return file


@pytest.fixture
async def accounts(tmp_path: Path, config: Path) -> AsyncIterator[Accounts]:
    async def nothing(*_: object) -> None:
        raise AssertionError("nobody asks for this")

    async with (
        Accounts.open(tmp_path / "state", NOW) as accounts,
        trio.open_nursery() as nursery,
    ):
        admin = Admin(accounts, "web1", nothing, lambda account: None, nothing)  # type: ignore[arg-type]
        await nursery.start(admin.serve, tmp_path / "admin.sock")
        yield accounts
        nursery.cancel_scope.cancel()


async def run(config: Path, *arguments: str) -> tuple[int, str, str]:
    done = await trio.run_process(
        [*PROGRAM, *arguments, "--config", str(config)],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def on_a_terminal(config: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    def child_and_parent() -> tuple[int, str]:
        pid, master = pty.fork()
        if pid == 0:
            os.environ.update(UTF8 | environment)
            os.execv(sys.executable, [*PROGRAM, *arguments, "--config", str(config)])
        shown = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 4096):
                shown += chunk
        os.close(master)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()

    return await trio.to_thread.run_sync(child_and_parent)


async def stored(accounts: Accounts) -> Totp | None:
    return await accounts.store.transaction(lambda tx: read_totp(tx, "alice"))


@pytest.mark.parametrize(
    ("options", "environment", "qr"),
    [((), {}, True), (("--no-qr",), {}, False), ((), {"TERM": "dumb"}, False)],
    ids=["shown", "not wanted", "dumb"],
)
async def test_the_secret_is_shown_on_a_terminal(
    config: Path,
    accounts: Accounts,
    options: tuple[str, ...],
    environment: dict[str, str],
    qr: bool,
) -> None:
    code, shown = await on_a_terminal(config, "totp", "alice", *options, **environment)
    found = await stored(accounts)
    assert found is not None
    assert code == 0
    assert typed_secret(found.secret) in shown
    assert ("█" in shown) is qr
    assert "clear the screen" in shown
    code, shown = await on_a_terminal(config, "totp", "alice")
    assert code == 1
    assert "remove it first" in shown
    assert await stored(accounts) == found


async def test_the_secret_goes_nowhere_else(config: Path, accounts: Accounts) -> None:
    code, shown, error = await run(config, "totp", "alice")
    assert (code, shown) == (1, "")
    assert "on a terminal only" in error
    assert await stored(accounts) is None


async def test_removing(config: Path, accounts: Accounts) -> None:
    await accounts.store.transaction(lambda tx: write_totp(tx, Totp("alice", bytes(20), int(NOW))))
    assert (await run(config, "totp", "alice", "--remove"))[0] == 0
    assert await stored(accounts) is None
    code, _, error = await run(config, "totp", "alice", "--remove")
    assert code == 1
    assert "alice has no TOTP secret" in error


@pytest.mark.parametrize(("failures", "ended"), [(99, False), (100, True)])
async def test_accounts_lists_it(
    config: Path, accounts: Accounts, failures: int, ended: bool
) -> None:
    app = Totp("alice", bytes(20), int(NOW), failures=failures)
    await accounts.store.transaction(lambda tx: write_totp(tx, app))
    code, shown, _ = await run(config, "accounts")
    assert code == 0
    assert "totp         alice: an authenticator app, since 2027-01-15" in shown
    assert ("ended by wrong codes" in shown) is ended
    assert '"type":"totp"' in (await run(config, "accounts", "--json"))[1]


async def test_revoking_all_devices_tells_of_it(config: Path, accounts: Accounts) -> None:
    await enrol(accounts)
    assert "authenticator" not in (await run(config, "revoke", "alice", "--yes"))[1]
    device = await enrol(accounts)
    await accounts.store.transaction(lambda tx: write_totp(tx, Totp("alice", bytes(20), int(NOW))))
    shown = (await run(config, "revoke", "alice", str(device.id), "--yes"))[1]
    assert "authenticator" not in shown
    await enrol(accounts)
    shown = (await run(config, "revoke", "alice", "--yes"))[1]
    assert "alice still has an authenticator app: bartizan-agent totp alice --remove" in shown
