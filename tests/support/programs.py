"""edge. The three real programs as processes: relay, agent and validator, with their real stores.

The relay listens on loopback and on a Unix socket, the agent runs on a SystemHost, and a device of
ada's is enrolled by the command line, as people do it.
"""

import fcntl
import json
import os
import shutil
import socket as socketlib
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio

from tests.support.namespace import USER, SystemHost
from tests.support.pam import build_module

BIN: Final = Path(sys.executable).parent
HOST: Final = "bastion.example"
PATIENCE: Final = 20.0
"""Seconds until something that must happen is missed: real programs on a busy machine."""
VALIDATION: Final = 60.0
"""Seconds that a passcode is valid: the agent's default, so that no busy machine is too slow."""
QUEUE: Final = "queue = 10.0"
"""For as long an agent waits for its relay: five times the default."""

Entry = dict[str, Any]
"""A line of a program's log."""


UNREAD: Final = 1024 * 1024
"""Bytes of a log that may wait until they are read: a daemon drops what does not fit."""


@dataclass
class Daemon:
    """A program that runs until it is told to stop, and its log as it comes in."""

    process: trio.Process
    log: list[Entry] = field(default_factory=list)
    whole: trio.Event = field(default_factory=trio.Event)
    """Set when the program has ended and all of its log is there."""
    _changed: trio.Condition = field(default_factory=trio.Condition, repr=False)

    async def logged(self, event: str, count: int = 1) -> Entry:
        """Waits for the line of the `count`-th such event."""
        with trio.move_on_after(PATIENCE):
            async with self._changed:
                while True:
                    found = [entry for entry in self.log if entry.get("event") == event]
                    if len(found) >= count:
                        return found[count - 1]
                    await self._changed.wait()
        raise AssertionError(f"{event!r} was not logged {count} times: {self.log}")

    async def _read(self) -> None:
        stderr = self.process.stderr
        assert isinstance(stderr, trio.lowlevel.FdStream)
        fcntl.fcntl(stderr.fileno(), fcntl.F_SETPIPE_SZ, UNREAD)
        rest = b""
        async for data in stderr:
            *lines, rest = (rest + data).split(b"\n")
            async with self._changed:
                self.log += [_entry(line) for line in lines]
                self._changed.notify_all()
        self.whole.set()


def _entry(line: bytes) -> Entry:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {"event": "no JSON", "line": line.decode(errors="replace")}


@asynccontextmanager
async def daemon(command: Sequence[str]) -> AsyncIterator[Daemon]:
    """Runs `command`, whose standard error is a log in JSON; stops it by SIGTERM at the end."""
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
    running = Daemon(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running._read)
        try:
            yield running
            process.terminate()
            with trio.fail_after(PATIENCE):
                code = await process.wait()
                await running.whole.wait()
            assert code == 0, f"{command} ended with code {code}: {running.log}"
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                    await process.wait()


@dataclass(frozen=True)
class Device:
    """A user's device: a key store and the program `bartizan` on it, which `prefix` starts."""

    folder: Path
    prefix: tuple[str, ...] = ()

    async def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[bytes]:
        """Runs the program. Its exit code is for the caller to judge."""
        return await trio.run_process(
            [*self.prefix, str(BIN / "bartizan"), *arguments],
            stdin=typed.encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, "BARTIZAN_HOME": str(self.folder), "LC_ALL": "C.UTF-8"},
        )

    async def sign_on(self, passcode: str, verdict: str) -> tuple[int, str]:
        """Exit code and screen of `bartizan sign-on`; `verdict` is --approve or --deny."""
        done = await self.run("sign-on", HOST, passcode, verdict)
        return done.returncode, done.stdout.decode() + done.stderr.decode()


@dataclass(frozen=True)
class Installation:
    """All parts, up and linked, and ada's device, enrolled."""

    relay: Daemon
    agent: Daemon
    device: Device
    module: Path
    socket: Path

    @property
    def auth_line(self) -> str:
        """The module's line for a service file."""
        return f"auth required {self.module} socket={self.socket}\n"


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` for a program that takes no descriptor, and nobody else's until the tests
    are over.

    It stays bound here, so that the kernel gives it to nobody. A server sets SO_REUSEADDR, too, and
    may listen there all the same, as often as it is started.
    """
    with socketlib.socket() as held:
        held.bind((host, 0))
        held.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_REUSEADDR, 1)
        port = int(held.getsockname()[1])
        held.detach()
    return port


@asynccontextmanager
async def installation(
    host: SystemHost,
    folder: Path,
    *,
    validation: float = VALIDATION,
    relay_prefix: Sequence[str] = (),
    agent_prefix: Sequence[str] = (),
    settings: str = "",
) -> AsyncIterator[Installation]:
    """Starts everything with state in `folder`, which all users of the host can enter.

    The prefixes come before the commands of relay and agent: something that starts them. `settings`
    are more tables of the agent's configuration.
    """
    relay_file, agent_file = folder / "relay.toml", folder / "agent.toml"
    links, socket = folder / "links.sock", folder / "pam.sock"
    validators = f"127.0.0.1:{free_port()}"
    relay_file.write_text(
        f'agents = [{{listen = "unix:{links}"}}]\n'
        f'validators = [{{listen = "tcp:{validators}"}}]\n'
        'log = {format = "json"}\n'
    )
    relay_command = [
        *relay_prefix,
        str(BIN / "bartizan-relay"),
        "serve",
        "--config",
        str(relay_file),
    ]
    async with daemon(relay_command) as relay:
        await relay.logged("relay up")
        agent_file.write_text(
            f'host = "{HOST}"\nstate = "{folder}/state"\n'
            f'socket = "{socket}"\nadmin_socket = "{folder}/admin.sock"\n'
            f'relays = [{{link = "unix:{links}", validators = ["{validators}"]}}]\n'
            f"timers = {{{QUEUE}, validation = {validation}}}\n"
            'log = {format = "json"}\n' + settings
        )
        agent_program = str(BIN / "bartizan-agent")
        serve = (agent_program, "serve", "--config", agent_file)
        async with daemon(host.command(*agent_prefix, *serve)) as agent:
            await agent.logged("agent up")
            await agent.logged("link up")
            device = Device(folder / "device")
            await enroll(
                host.command(agent_program, "enroll", USER, "--json", "--config", agent_file),
                device,
            )
            module = Path(shutil.copy(build_module(), folder / "pam_bartizan.so"))
            yield Installation(relay, agent, device, module, socket)


async def enroll(command: Sequence[str], device: Device) -> None:
    """Carries the code from the host to the device, as a person does with a camera."""
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with trio.fail_after(PATIENCE):
            said = b""
            while b"\n" not in said:
                said += await process.stdout.receive_some()
            uri = json.loads(said.partition(b"\n")[0])["uri"]
            done = await device.run("enroll", "-", "--yes", typed=uri)
            assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()
