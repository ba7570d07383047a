"""edge. Programs that ask PAM, by the stacks of docs/services: what each shows to its user.

What a program writes itself belongs to its screen: who reads of a denial reads both.
"""

import shlex
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from tests.support.debian_stacks import PASSWORD
from tests.support.documented_site import (
    NO_TERMINAL,
    NOBODY,
    SESSION,
    DocumentedSite,
    reads,
    types_password,
)
from tests.support.terminal import Terminal, terminal

REQUEST: Final = """\
Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
On your device: host bastion.example, passcode 1649 0920 (60 s)
"""
APPROVE: Final = REQUEST + "approve there, then press Enter: "
APPROVE_OR_CODE: Final = REQUEST + "approve there, then press Enter; or type its code: "
CODE: Final = """\
Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
No relay can be reached. On your device: respond to host bastion.example, passcode 1649 0920 (60 s)
type its code: """

_AS_ADA: Final = "in a session as ada\n"
_AS_ROOT: Final = "in a session as root\n"
_SSH: Final = "(ada@127.0.0.1) "
SSH_REFUSED: Final = "\n\nada@127.0.0.1: Permission denied (keyboard-interactive).\n"
_SUDO: Final = "[sudo] password for ada: "
_SUDO_REFUSED: Final = "\nsudo: 1 incorrect password attempt\n"
_LOGIN_REFUSED: Final = f"\n\nLogin incorrect\n{socket.gethostname()} login: "

_BY_A_PIPE: Final = f"""\
exec 3< <(exec cat)
sudo -S sh -c {shlex.quote(SESSION)} <&3
code=$?
kill $!
exit $code
"""
"""What is typed on a terminal that is not sudo's. bash knows cat's id."""
_ON_STANDARD_OUTPUT: Final = f"sudo -i sh -c {shlex.quote(SESSION)} 2>/dev/null"


@dataclass(frozen=True)
class Program:
    """`asks` is its screen while a device is waited for, and `asks_code` while no relay is there,
    if it then asks at all.

    `lets_in` comes last on the screen of who is let in, `refuses` on that of who is not, and
    `unavailable`, if that is another text, where no relay was there. `prompts`: Enter has to be
    pressed after an approval. `password`: it asks for ada's first. `code` is its exit code when it
    refuses; None when it goes on to ask somebody else.
    """

    name: str
    service: str
    command: Sequence[str]
    asks: str
    lets_in: str
    refuses: str
    asks_code: str = ""
    unavailable: str = ""
    code: int | None = 1
    prompts: bool = False
    password: bool = False

    @property
    def asked(self) -> str:
        """Its screen when Enter was pressed, where that has to be."""
        return self.asks + "\n" * self.prompts

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Terminal]:
        async with terminal(self.command) as screen:
            if self.password:
                await types_password(screen)
            yield screen

    async def let_in(self, screen: Terminal, before: str) -> None:
        await reads(screen, before + self.lets_in)
        if self.code is not None:
            assert await screen.ends() == 0

    async def refused(self, screen: Terminal, before: str, text: str = "") -> None:
        await reads(screen, before + (text or self.refuses))
        if self.code is not None:
            assert await screen.ends() == self.code


def ssh(name: str, client: Sequence[str], *, asks: str = APPROVE_OR_CODE) -> Program:
    """A client on a terminal that does SESSION."""
    return Program(
        name,
        "sshd",
        client,
        _SSH + asks,
        _AS_ADA,
        SSH_REFUSED,
        asks_code=_SSH + CODE,
        code=255,
        prompts=True,
    )


def ssh_behind_password(client: Sequence[str]) -> Program:
    before = f"{_SSH}Password: \n"
    behind = ssh("ssh", client)
    return replace(
        behind, asks=before + behind.asks, asks_code=before + behind.asks_code, password=True
    )


def sudo_su_login(site: DocumentedSite, asks: str, *, prompts: bool = False) -> list[Program]:
    """On a terminal each; `asks` comes behind the password."""
    sudo = Program(
        "sudo",
        "sudo",
        site.host.command_of_ada("sudo", "sh", "-c", SESSION),
        f"{_SUDO}\n{asks}",
        _AS_ROOT,
        _SUDO_REFUSED,
        asks_code=f"{_SUDO}\n{CODE}",
        prompts=prompts,
        password=True,
    )
    su = replace(
        sudo,
        name="su",
        service="su",
        command=site.host.command(*NOBODY, "su", "ada", "-c", SESSION),
        asks=f"Password: \n{asks}",
        lets_in=_AS_ADA,
        refuses="\nsu: Authentication failure\n",
        asks_code=f"Password: \n{CODE}",
        unavailable="\nsu: Authentication service cannot retrieve authentication info\n",
    )
    login = replace(
        su,
        name="login",
        service="login",
        command=site.host.command("login", "ada"),
        asks=su.asks.replace("(60 s)", "(30 s)"),
        lets_in="$ ",
        refuses=_LOGIN_REFUSED,
        asks_code=su.asks_code.replace("(60 s)", "(30 s)"),
        unavailable="",
        code=None,
    )
    return [sudo, su, login]


def sudo_without_terminal(site: DocumentedSite) -> list[Program]:
    """The password by a pipe, and the device as the only factor, which is what sudo-i's stack is.

    What they write goes to a terminal all the same: else sudo keeps it until it ends.
    """
    typed = f"{_SUDO}{PASSWORD}\n"
    site.stack("sudo-i", 1, of="sudo")
    return [
        Program(
            "sudo -S",
            "sudo",
            site.host.command_of_ada(*NO_TERMINAL, "bash", "-c", _BY_A_PIPE),
            typed + APPROVE_OR_CODE,
            _AS_ROOT,
            _SUDO_REFUSED,
            asks_code=typed + CODE,
            prompts=True,
            password=True,
        ),
        Program(
            "sudo, no password",
            "sudo-i",
            site.host.command_of_ada(*NO_TERMINAL, "sh", "-c", _ON_STANDARD_OUTPUT),
            REQUEST,
            _AS_ROOT,
            "\n",
        ),
    ]
