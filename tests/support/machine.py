"""edge. A throwaway machine under a real systemd, up in a few seconds, gone without a trace.

Its disk is a bare Debian (tests/support/debian.py) under a tmpfs that takes every change, in a
mount namespace of its own. systemd-nspawn boots it; that needs no systemd here, but root. It is on
the network that it is given, or on none. Its processes are in a cgroup of their own, so that
several machines do not see one another.
"""

import contextlib
import os
import re
import shutil
import signal
import socket as socketlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from tests.support.debian import bare_debian, with_packages

PATIENCE: Final = 60.0
"""Seconds for a boot, or for a command: a real system on a busy machine."""
CGROUPS: Final = Path("/sys/fs/cgroup")
ENVIRONMENT: Final = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL=C.UTF-8",
    "TERM=xterm",
)
"""What a command runs with, and nothing of the caller's."""

_NSPAWN: Final = (
    *("--register=no", "--keep-unit", "--settings=no", "--link-journal=no", "--resolv-conf=off"),
    *("--timezone=off", "--notify-ready=yes", "--console=pipe"),
)
_ENTER: Final = 'for each in $1; do echo $$ >"$each"; done; shift; exec "$@"'
_BOOT: Final = """
set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
echo "$3" >"$1/root/etc/hostname"
echo "127.0.0.1 localhost $3" >"$1/root/etc/hosts"
shift 3
exec "$@"
"""


@dataclass(frozen=True)
class Machine:
    """A running machine. `leader` is the id, out here, of its first process."""

    name: str
    leader: int

    def path(self, path: str) -> Path:
        """Where a file of the machine is out here."""
        return Path(f"/proc/{self.leader}/root") / path.lstrip("/")

    def receive(self, files: Iterable[Path], folder: str) -> None:
        """Copies files from out here into a folder of the machine."""
        for file in files:
            shutil.copy(file, self.path(folder))

    def command(self, *argv: str | Path, user: str = "root") -> list[str]:
        """`argv` to run on the machine as `user`, in the home folder, outside of all units."""
        home = "/root" if user == "root" else f"/home/{user}"
        enter = ["nsenter", "--all", f"--target={self.leader}"]
        become = [] if user == "root" else ["runuser", "-u", user, "--"]
        cleanly = ["env", "--ignore-environment", f"--chdir={home}", *ENVIRONMENT, f"HOME={home}"]
        return [*enter, *become, *cleanly, *map(str, argv)]

    async def ended(
        self, *argv: str | Path, typed: str = "", user: str = "root"
    ) -> subprocess.CompletedProcess[str]:
        """Runs `argv` to its end, with `typed` as its input; the exit code is for the caller."""
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(
                self.command(*argv, user=user),
                stdin=typed.encode(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        said = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, *said)

    async def run(self, *argv: str | Path, typed: str = "", user: str = "root") -> str:
        """What it wrote to standard output. AssertionError unless its exit code is 0."""
        done = await self.ended(*argv, typed=typed, user=user)
        assert done.returncode == 0, f"{self.name}: {argv}: {done.stdout}{done.stderr}"
        return done.stdout

    async def shell(self, script: str) -> str:
        """The same for a script of root's shell, as an administrator types it."""
        return await self.run("bash", "-e", "-o", "pipefail", "-c", script)

    async def journal(self, unit: str) -> str:
        """What a unit has logged, a line for each entry."""
        return await self.run("journalctl", "--output=cat", "--no-pager", f"--unit={unit}")

    async def logged(self, unit: str, pattern: str, count: int = 1) -> None:
        """Waits until `count` lines of the unit's log match."""
        follow = self.command(
            *("timeout", str(PATIENCE), "journalctl", "--follow", "--lines=all", "--output=cat"),
            *(f"--unit={unit}", "--no-pager", f"--grep={pattern}", "--case-sensitive=true"),
        )
        process = await trio.lowlevel.open_process(follow, stdout=subprocess.PIPE)
        assert process.stdout is not None
        said = b""
        try:
            with trio.move_on_after(PATIENCE):
                while said.count(b"\n") < count:
                    more = await process.stdout.receive_some()
                    if not more:
                        break
                    said += more
            if said.count(b"\n") < count:
                raise AssertionError(
                    f"{self.name}: {pattern!r} not {count} times in {unit}'s log:\n"
                    + await self.journal(unit)
                )
        finally:
            with trio.CancelScope(shield=True):
                await process.stdout.aclose()  # which ends it
                await process.wait()


@asynccontextmanager
async def machine(
    name: str, network: str | None = None, *, debs: Sequence[Path] = ()
) -> AsyncIterator[Machine]:
    """Boots a machine called `name`, up when this yields; switches it off at the end.

    `network` is a network namespace of `ip netns`; without one there is loopback alone. `debs` are
    packages that are installed already.
    """
    disk = await trio.to_thread.run_sync(with_packages, debs) if debs else (bare_debian(),)
    lower = ":".join(map(str, disk))
    label = f"bartizan-{os.getpid()}-{name}"
    with _folder(label) as folder, _cgroup(label) as cgroup, _notified(folder) as notified:
        procs = " ".join(f"{each}/cgroup.procs" for each in cgroup)
        with (folder / "console").open("wb") as console:
            process = await trio.lowlevel.open_process(
                [
                    *("sh", "-c", _ENTER, "enter", procs),
                    *("unshare", "--mount", "--propagation=private"),
                    *("sh", "-c", _BOOT, "boot", f"{folder}/disk", lower, name),
                    *("systemd-nspawn", f"--directory={folder}/disk/root", f"--machine={label}"),
                    *_NSPAWN,
                    f"--network-namespace-path=/run/netns/{network}"
                    if network
                    else "--private-network",
                    *("--boot", "systemd.unit=multi-user.target"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "NOTIFY_SOCKET": f"{folder}/notify"},
                start_new_session=True,  # Ctrl-C is for the tests, which then switch it off
            )
        try:
            leader = await _up(process, notified)
            if leader is None:
                said = (folder / "console").read_text(errors="replace")
                raise AssertionError(f"{name} does not come up: {said}")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hear, notified)
                yield Machine(name, leader)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await _off(process, cgroup)


async def _up(process: trio.Process, notified: socketlib.socket) -> int | None:
    """The id of the machine's first process, when it says that it is up; None if it does not."""
    leader: int | None = None
    sock = trio.socket.from_stdlib_socket(notified)
    with trio.move_on_after(PATIENCE):
        while process.poll() is None:
            said = b""
            with trio.move_on_after(1):
                said = await sock.recv(4096)
            if found := re.search(rb"^X_NSPAWN_LEADER_PID=(\d+)$", said, re.MULTILINE):
                leader = int(found[1])
            if leader is not None and re.search(rb"^READY=1$", said, re.MULTILINE):
                return leader
    return None


async def _hear(notified: socketlib.socket) -> None:
    """Takes what the machine goes on to say of itself: with nobody to take it, its first process
    waits in the middle of its work."""
    sock = trio.socket.from_stdlib_socket(notified)
    while True:
        await sock.recv(4096)


async def _off(process: trio.Process, cgroup: Sequence[Path]) -> None:
    """Not shut down but switched off, since nothing on it is kept."""
    process.kill()
    while found := _processes(cgroup):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    await trio.lowlevel.wait_readable(descriptor)
                finally:
                    os.close(descriptor)
    await process.wait()


def _processes(cgroup: Sequence[Path]) -> set[int]:
    """The ids of all processes in it and below."""
    files = [file for each in cgroup for file in each.rglob("cgroup.procs")]
    return {int(line) for file in files for line in file.read_text().split()}


@contextmanager
def _folder(label: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"{label}-") as name:
        folder = Path(name)
        (folder / "disk").mkdir()
        try:
            yield folder
        finally:
            # systemd-nspawn's own, which it leaves behind where no systemd is around it.
            shutil.rmtree(f"/run/systemd/nspawn/propagate/{label}", ignore_errors=True)


@contextmanager
def _notified(folder: Path) -> Iterator[socketlib.socket]:
    with socketlib.socket(socketlib.AF_UNIX, socketlib.SOCK_DGRAM) as sock:
        sock.bind(f"{folder}/notify")
        sock.setblocking(False)
        yield sock


@contextmanager
def _cgroup(label: str) -> Iterator[list[Path]]:
    """A cgroup in each hierarchy of systemd's: the unified one, and its own beside the old ones."""
    roots = [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else []
    roots = roots or [
        CGROUPS / each for each in ("systemd", "unified") if (CGROUPS / each).exists()
    ]
    made = [root / label for root in roots]
    for each in made:
        each.mkdir()
    try:
        yield made
    finally:
        for each in made:
            for folder, _, _ in os.walk(each, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
