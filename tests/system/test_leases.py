"""scp and git by ssh with a lease: asked once, and again when it is over or from elsewhere."""

import os
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from tests.support.documented_site import (
    AFTER_A_KEY,
    METHODS,
    NO_TERMINAL,
    SESSION,
    SETTINGS,
    DocumentedSite,
    documented_site,
    reads,
)
from tests.support.moments import People
from tests.support.moved_clocks import Clocks, moved_clocks
from tests.support.namespace import UID
from tests.support.programs_that_ask import APPROVE_OR_CODE, SSH_REFUSED, Program, ssh
from tests.support.sshd import Sshd, sshd
from tests.support.terminal import ENTER, terminal

LEASE: Final = 3600
WITH_A_LEASE: Final = SETTINGS.replace("[services.sshd]\n", f"[services.sshd]\nlease = {LEASE}\n")
ASKS: Final = f"(ada@127.0.0.1) {APPROVE_OR_CODE}"
SCP: Final = "Subsystem sftp internal-sftp\n"
HERE: Final = "127.0.0.1"
ELSEWHERE: Final = "127.0.0.2"
GIT_REFUSED: Final = """\
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


@dataclass(frozen=True)
class Work:
    """What ada does with the host, from a folder of hers elsewhere."""

    site: DocumentedSite
    server: Sshd
    clocks: Clocks
    folder: Path

    def scp(self, source: str, target: Path) -> list[str]:
        """A file of the host's comes here."""
        _, *options, user_at = self.server.client(methods=METHODS)
        options[options.index("-p")] = "-P"
        return ["scp", *options, f"{user_at}:{source}", str(target)]

    def git(self, *words: str | Path, address: str = HERE) -> list[str]:
        *ssh, _ = self.server.client(methods=METHODS, address=address)
        return ["env", f"GIT_SSH_COMMAND={shlex.join(ssh)}", "git", *map(str, words)]

    async def without_terminal(self, command: list[str]) -> tuple[int, str]:
        """Exit code, and all that it says. There is nobody whom it could ask."""
        done = await trio.run_process(
            [*NO_TERMINAL, *command],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        return done.returncode, done.stdout.decode()

    @property
    def repository(self) -> str:
        return f"ssh://ada@127.0.0.1{self.site.host.home}/repository.git"


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[Work]:
    """ada's home on the host has a file and a bare repository with one commit."""
    mine = folder / "mine"
    mine.mkdir()
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            documented_site(folder, WITH_A_LEASE, agent_prefix=clocks.prefix) as site,
            sshd(site.host, site.folder, AFTER_A_KEY + SCP) as server,
        ):
            home = site.host.home
            (home / "file").write_text("what ada wrote\n")
            author = ["-c", "user.name=Ada", "-c", "user.email=ada@example"]
            first = ["git", *author, "-C", mine / "first"]
            for command in (
                ["git", "init", "-q", mine / "first"],
                [*first, "commit", "-q", "--allow-empty", "-m", "one"],
                ["git", "clone", "-q", "--bare", mine / "first", home / "repository.git"],
                ["chown", "-R", f"{UID}:{UID}", home],
            ):
                await trio.run_process(list(map(str, command)))
            yield Work(site, server, clocks, mine)


async def test_two_at_once_ask_once_and_then_nobody_is_asked_until_it_is_over(
    folder: Path,
) -> None:
    async with working(folder) as work:
        one, other = work.folder / "one", work.folder / "other"
        async with terminal(work.scp("file", one)) as first:
            shown = await reads(first, ASKS)
            async with terminal(work.scp("file", other)) as second:
                waits = "\n".join(
                    (
                        "(ada@127.0.0.1) Bartizan sign-on 2yeqb4a4nhmoy at bastion.example",
                        f"waits with {shown['id']}, which is shown already",
                        "approve that on your device, then press Enter: ",
                    )
                )
                await reads(second, waits)
                await work.site.approve(shown["passcode"])
                for screen in (first, second):
                    await screen.type(ENTER)
                    assert await screen.ends() == 0, screen.screen
        assert one.read_text() == other.read_text() == "what ada wrote\n"
        await work.site.all_ended({"sshd": ["approved", "lease"]})

        clone = work.folder / "clone"
        said = await work.without_terminal(work.git("clone", work.repository, clone))
        assert said == (0, f"Cloning into '{clone}'...\n")
        assert (clone / ".git" / "HEAD").exists()
        assert await work.without_terminal(work.git("-C", clone, "fetch")) == (0, "")
        assert await work.without_terminal(work.scp("file", work.folder / "third")) == (0, "")
        await work.site.all_ended({"sshd": ["approved", *["lease"] * 4]})

        elsewhere = work.server.client(SESSION, methods=METHODS, address=ELSEWHERE)
        async with terminal(elsewhere) as screen:
            await reads(screen, ASKS)
            await screen.leaves()
        entry = await work.site.ended("cancelled", 6)
        assert entry["remote"] == ELSEWHERE

        work.clocks.sleep(LEASE)
        async with terminal(work.git("-C", clone, "fetch")) as screen:
            shown = await reads(screen, ASKS)
            await work.site.approve(shown["passcode"])
            await screen.type(ENTER)
            assert await screen.ends() == 0, screen.screen
        await work.site.ended("approved", 7)


def scp_and_git(work: Work) -> list[Program]:
    """From an address each, so that the lease of one is not the other's."""
    file, clone = work.folder / "file", work.folder / "clone"
    copies = f"rm -f {file}; {shlex.join(work.scp('file', file))} >/dev/null"
    scp = replace(
        ssh("scp", ["sh", "-c", f"{copies} && cat {file}"]),
        lets_in="what ada wrote\n",
        refuses=f"{SSH_REFUSED}scp: Connection closed\n",
    )
    cloning = work.git("clone", "-q", work.repository, clone, address=ELSEWHERE)
    clones = f"rm -rf {clone}; {shlex.join(cloning)}"
    git = replace(
        ssh("git", ["sh", "-c", f"{clones} && git --no-pager -C {clone} log --format=%s"]),
        lets_in="one\n",
        refuses=SSH_REFUSED + GIT_REFUSED,
        code=128,
    )
    return [scp, git]


async def goes_in(program: Program) -> None:
    async with program.run() as screen:
        await program.let_in(screen, "")


async def test_scp_and_git_at_each_moment(folder: Path) -> None:
    """A code begins a lease as an approval does, with a relay and without."""
    async with working(folder) as work:
        people = People(work.site, work.clocks, scp_and_git(work))
        await people.each(people.deny, "denied")
        await people.all_expire()
        await people.each(people.type_wrong_code, "wrong-code")
        await people.each(people.approve, "approved")
        await people.each(goes_in, "lease")
        work.clocks.sleep(LEASE)
        await people.each(people.type_right_code, "code")
        await people.each(goes_in, "lease")
        work.clocks.sleep(LEASE)
        await people.each(people.type_used_code, "wrong-code")

        await people.no_relay()
        await people.each(people.type_nothing, "unavailable")
        await people.each(people.type_right_code, "code")
        await people.each(goes_in, "lease")
