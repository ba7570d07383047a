"""The daemon as its own process, under a service manager that a test is."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from pam_agent.local_wire import Result
from tests.support.caller import calling
from tests.support.patience import PATIENCE, until
from tests.support.programs import BIN, Daemon, daemon
from tests.support.service_manager import ServiceManager, service_manager

AGENT = str(BIN / "bartizan-agent")


def write(file: Path, *, relay: str = "relay", rest: str = "") -> Path:
    folder = file.parent
    file.write_text(
        f'host = "web1"\nstate = "{folder}/state"\n'
        f'socket = "{folder}/pam.sock"\nadmin_socket = "{folder}/admin.sock"\n'
        f'relays = [{{link = "unix:{folder}/{relay}.sock", validators = ["{relay}:4817"]}}]\n{rest}'
    )
    return file


@asynccontextmanager
async def supervised(
    file: Path, *before: str, environment: Sequence[str] = ()
) -> AsyncIterator[tuple[Daemon, ServiceManager]]:
    """The daemon, ready. `before` is a command that it is run by."""
    async with service_manager(f"{file.parent}/notify") as manager:
        variables = [f"NOTIFY_SOCKET={manager.address}", *environment]
        command = ["env", *variables, *before, AGENT, "serve", "--config", str(file)]
        async with daemon(command) as running:
            await manager.hears("READY=1")
            yield running, manager


async def test_it_says_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    async with supervised(write(tmp_path / "agent.toml")) as (running, manager):
        status = "sign-ons: 0 waiting, 0 running; ATTACHED TO NO RELAY"
        assert manager.told == [f"READY=1\nSTATUS={status}\n"]
        assert (tmp_path / "pam.sock").is_socket()
        running.process.terminate()
        await manager.hears("STOPPING=1")
        assert await running.process.wait() == 0
    assert (await running.logged("agent stopping"))["signal"] == "SIGTERM"


async def test_the_watchdog_hears_of_a_living_loop_and_not_of_a_hung_one(tmp_path: Path) -> None:
    """SIGSTOP stands for a hang: the process is there, and its loop does not turn."""
    file = write(tmp_path / "agent.toml")
    async with supervised(file, environment=["WATCHDOG_USEC=200000"]) as (running, manager):
        for _ in range(3):
            await manager.hears("WATCHDOG=1")
        running.process.send_signal(signal.SIGSTOP)
        try:
            with trio.move_on_after(1.0) as quiet:
                while True:
                    await manager.hears("WATCHDOG=1")
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert quiet.cancelled_caught
        sent_while_stopping = manager.told[4:]
        assert len(sent_while_stopping) <= 1
        await manager.hears("WATCHDOG=1")


async def test_a_watchdog_of_another_process_is_not_fed(tmp_path: Path) -> None:
    file = write(tmp_path / "agent.toml")
    environment = ["WATCHDOG_USEC=100000", "WATCHDOG_PID=1"]
    async with supervised(file, environment=environment) as (running, manager):
        running.process.send_signal(signal.SIGHUP)
        await manager.hears("RELOADING=1")
        await manager.hears("READY=1")
        assert not any("WATCHDOG" in message for message in manager.told)


async def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    """Standard error is a pipe that is full before the first line."""
    file = write(tmp_path / "agent.toml", rest="timers = {queue = 0.1}\n")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    async with service_manager(f"{tmp_path}/notify") as manager:
        process = await trio.lowlevel.open_process(
            [AGENT, "serve", "--config", str(file)],
            stderr=writing,
            env=os.environ | {"NOTIFY_SOCKET": manager.address},
        )
        os.close(writing)
        try:
            await manager.hears("READY=1")
            async with calling(tmp_path / "pam.sock", "alice") as caller:
                assert await caller.result() is Result.UNAVAILABLE
            process.terminate()
            with trio.fail_after(PATIENCE):
                assert await process.wait() == 0
        finally:
            process.kill()
            await process.wait()
            os.close(reading)


# ---- sockets that the service manager has ------------------------------------------------------


@asynccontextmanager
async def activated(file: Path, path: Path) -> AsyncIterator[Daemon]:
    """Started by systemd's own activator, at the first connection."""
    program = ["systemd-socket-activate", f"--listen={path}"]
    async with daemon([*program, AGENT, "serve", "--config", str(file)]) as running:
        await until(path.is_socket)
        yield running


@pytest.fixture
def activator() -> None:
    if not Path("/usr/bin/systemd-socket-activate").exists():
        pytest.skip("systemd is not installed")


async def test_the_first_caller_starts_it_and_is_served(tmp_path: Path, activator: None) -> None:
    file = write(tmp_path / "agent.toml", rest='timers = {queue = 0.2}\nlog = {format = "json"}\n')
    async with (
        activated(file, tmp_path / "pam.sock") as running,
        calling(tmp_path / "pam.sock", "alice") as caller,
    ):
        await running.logged("agent up")
        assert await caller.result() is Result.UNAVAILABLE
        assert (tmp_path / "admin.sock").is_socket()
    assert (tmp_path / "pam.sock").is_socket(), "the socket is its manager's to remove"


async def test_a_socket_that_the_configuration_does_not_know(
    tmp_path: Path, activator: None
) -> None:
    path = tmp_path / "elsewhere.sock"
    program = ["systemd-socket-activate", f"--listen={path}", AGENT, "serve", "--config"]
    process = await trio.lowlevel.open_process(
        [*program, str(write(tmp_path / "agent.toml"))], stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    await until(path.is_socket)
    async with await trio.open_unix_socket(path):
        said = b"".join([chunk async for chunk in process.stderr]).decode()
    assert await process.wait() == 3
    assert f"bartizan-agent: {path}: the service manager listens there" in said
    assert "Traceback" not in said


def test_a_strange_environment_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [AGENT, "serve", "--config", str(write(tmp_path / "agent.toml"))],
        env=os.environ | {"NOTIFY_SOCKET": "vsock:2:3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == (
        "bartizan-agent: NOTIFY_SOCKET: found 'vsock:2:3', expected /path or @name\n"
    )


# ---- reload --------------------------------------------------------------------------------------


async def test_sighup_reads_the_configuration_again(tmp_path: Path) -> None:
    file = write(tmp_path / "agent.toml")
    async with supervised(file) as (running, manager):
        write(file, relay="other", rest='log = {level = "warning"}\n')
        running.process.send_signal(signal.SIGHUP)
        message = await manager.hears("RELOADING=1")
        assert message.splitlines()[1].startswith("MONOTONIC_USEC=")
        await manager.hears("READY=1")
        entry = await running.logged("relay dropped")
        assert entry["relay"] == f"unix:{tmp_path}/relay.sock"
        other = f"unix:{tmp_path}/other.sock"
        await until(lambda: any(entry.get("relay") == other for entry in running.log))
        assert not any(entry["event"] == "configuration adopted" for entry in running.log), (
            "an information, which is below the new level"
        )
        write(file, relay="other")
        running.process.send_signal(signal.SIGHUP)
        entry = await running.logged("configuration adopted")
        assert entry["relays"] == [f"unix:{tmp_path}/other.sock"]


async def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "agent.toml")
    async with supervised(file) as (running, _):
        file.write_text(file.read_text().replace("web1", "web2").replace("/state", "/other-state"))
        for count in (1, 2):
            running.process.send_signal(signal.SIGHUP)
            entry = await running.logged("restart needed", count)
            assert (entry["keys"], entry["level"]) == (["host", "state"], "warning")


async def test_a_bad_configuration_changes_nothing_and_says_so(tmp_path: Path) -> None:
    file = write(tmp_path / "agent.toml")
    async with supervised(file) as (running, manager):
        file.write_text("hots = 'web1'")
        running.process.send_signal(signal.SIGHUP)
        await manager.hears("READY=1")
        entry = await running.logged("configuration refused")
        assert entry["reason"] == f"{file}: hots: unknown key: did you mean `host`?"
        events = {entry["event"] for entry in running.log}
        assert not events & {"configuration adopted", "relay dropped"}


def test_nothing_of_the_manager_is_left_for_children() -> None:
    code = (
        "import os; from daemons import systemd; systemd.take();"
        "import subprocess, sys; sys.exit(subprocess.call(['sh', '-c', 'env | grep NOTIFY']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"NOTIFY_SOCKET": "/n"}, check=False
    )
    assert done.returncode == 1


async def test_the_store_is_sealed_under_the_managers_credential(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "bartizan-store.key").write_bytes(b"\x5a" * 32)
    file = write(tmp_path / "agent.toml")
    environment = [f"CREDENTIALS_DIRECTORY={credentials}"]
    async with supervised(file, environment=environment) as (running, _):
        assert (await running.logged("agent up"))["sealed"] is True
        running.process.terminate()
        assert await running.process.wait() == 0
    without = await trio.run_process(
        [AGENT, "serve", "--config", str(file)], capture_stderr=True, check=False
    )
    assert without.returncode == 3
    assert b"sealed, and there is no key: is the credential bartizan-store.key" in without.stderr
    assert b"Traceback" not in without.stderr
    short = ["env", *environment, AGENT, "serve", "--config", str(file)]
    (credentials / "bartizan-store.key").write_bytes(b"\x5a" * 31)
    refused = await trio.run_process(short, capture_stderr=True, check=False)
    assert refused.returncode == 3
    assert b"found 31 bytes, expected 32" in refused.stderr
