"""What people see at ssh, sudo, su and login, letter by letter, and that it comes before the wait.

The stacks are those of docs/services. What a program writes itself belongs to it: who reads of a
denial reads both.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from tests.support.documented_site import (
    AFTER_A_KEY,
    METHODS,
    NOBODY,
    SESSION,
    DocumentedSite,
    documented_site,
    reads,
    types_password,
)
from tests.support.moved_clocks import Clocks, moved_clocks
from tests.support.sshd import sshd
from tests.support.terminal import ENTER, Terminal, terminal

SSH: Final = """\
(ada@127.0.0.1) Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
On your device: host bastion.example, passcode 1649 0920 (60 s)
approve there, then press Enter; or type its code: """
SSH_NO_RELAY: Final = """\
(ada@127.0.0.1) Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
No relay can be reached. On your device: respond to host bastion.example, passcode 1649 0920 (60 s)
type its code: """
SSH_REFUSED: Final = """

ada@127.0.0.1: Permission denied (keyboard-interactive).
"""
AT_ONCE: Final = """
Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
On your device: host bastion.example, passcode 1649 0920 (60 s)
"""
"""Behind the password, without waiting for a key."""
NO_RELAY_AT_ONCE: Final = """
Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
No relay can be reached. On your device: respond to host bastion.example, passcode 1649 0920 (60 s)
type its code: """
SUDO, SUDO_NO_RELAY = ("[sudo] password for ada: " + each for each in (AT_ONCE, NO_RELAY_AT_ONCE))
SUDO_REFUSED: Final = "\nsudo: 1 incorrect password attempt\n"
SU, SU_NO_RELAY = ("Password: " + each for each in (AT_ONCE, NO_RELAY_AT_ONCE))
LOGIN, LOGIN_NO_RELAY = (text.replace("(60 s)", "(30 s)") for text in (SU, SU_NO_RELAY))
LOGIN_REFUSED: Final = f"\n\nLogin incorrect\n{socket.gethostname()} login: "

DENIED: Final = "Bartizan: denied on the device (2yeqb4a4nhmoy)"
EXPIRED: Final = "Bartizan: not approved in time (2yeqb4a4nhmoy)"
NOT_RIGHT: Final = "Bartizan: the code is not right (2yeqb4a4nhmoy)"
NO_RELAY: Final = "Bartizan: no relay can be reached, try again later (2yeqb4a4nhmoy)"
GUESS: Final = "1234 5678"


@dataclass(frozen=True)
class Program:
    """`asks` is its screen while a device is waited for, and `asks_code` while no relay is there.

    `lets_in` comes last on the screen of who is let in, `refuses` on that of who is not, and
    `unavailable` where no relay was there. `prompts`: Enter has to be pressed after an approval.
    `code` is its exit code when it refuses; None when it goes on to ask somebody else.
    """

    name: str
    command: list[str]
    asks: str
    asks_code: str
    lets_in: str
    refuses: str
    unavailable: str
    code: int | None = 1
    prompts: bool = False
    password: bool = True

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


def programs_of(site: DocumentedSite, client: list[str]) -> Mapping[str, Program]:
    """By the names of their services; `client` is an ssh client with ada's key."""
    sudo = site.host.command_of_ada("sudo", "sh", "-c", SESSION)
    su = site.host.command(*NOBODY, "su", "ada", "-c", SESSION)
    login = site.host.command("login", "ada")
    ada, root = "in a session as ada\n", "in a session as root\n"
    unavailable = "\nsu: Authentication service cannot retrieve authentication info\n"
    found = (
        Program(
            *("sshd", client, SSH, SSH_NO_RELAY, ada, SSH_REFUSED, SSH_REFUSED, 255),
            prompts=True,
            password=False,
        ),
        Program("sudo", sudo, SUDO, SUDO_NO_RELAY, root, SUDO_REFUSED, SUDO_REFUSED),
        Program("su", su, SU, SU_NO_RELAY, ada, "\nsu: Authentication failure\n", unavailable),
        Program(*("login", login, LOGIN, LOGIN_NO_RELAY, "$ ", LOGIN_REFUSED, LOGIN_REFUSED, None)),
    )
    return {each.name: each for each in found}


@dataclass
class People:
    """One at each program, all at once. `ends` are how their sign-ons ended until now."""

    site: DocumentedSite
    programs: Mapping[str, Program]
    ends: dict[str, list[str]]

    async def each(self, does: Callable[[Program], Awaitable[None]], *ends: str) -> None:
        """All do the same, which ends as `ends`."""
        async with trio.open_nursery() as nursery:
            for program in self.programs.values():
                self.ends[program.name] += ends
                nursery.start_soon(does, program)
        await self.site.all_ended(self.ends)


async def approved(site: DocumentedSite, program: Program) -> None:
    async with program.run() as screen:
        shown = await reads(screen, program.asks)
        await site.approve(shown["passcode"])
        if program.prompts:
            await reads(screen, program.asks)  # still open
            await screen.type(ENTER)
        await program.let_in(screen, program.asks + "\n" * program.prompts)


async def denied(site: DocumentedSite, program: Program) -> None:
    async with program.run() as screen:
        shown = await reads(screen, program.asks)
        await site.deny(shown["passcode"])
        if program.prompts:
            await screen.type(ENTER)
        await program.refused(screen, program.asks + "\n" * program.prompts + DENIED)


@dataclass
class Crowd:
    """All wait; then the host sleeps for as long as a passcode is valid."""

    site: DocumentedSite
    clocks: Clocks
    missing: int
    all_here: trio.Event
    passcodes: list[str]

    async def expired(self, program: Program) -> None:
        before = program.asks + "\n" * program.prompts
        async with program.run() as screen:
            shown = await reads(screen, program.asks)
            self.passcodes.append(shown["passcode"])
            self.missing -= 1
            if not self.missing:
                self.clocks.sleep(60)
                self.all_here.set()
            await self.all_here.wait()
            if program.prompts:
                # The agent has nobody to tell while the prompt is open: Enter comes too late.
                await self.site.ended_at(program.name, "expired")
                await screen.type(ENTER)
            await program.refused(screen, before + EXPIRED)


async def types(
    site: DocumentedSite, program: Program, code: str | None, end: str = NOT_RIGHT
) -> str:
    """`code` at the prompt without a relay, the right one for None; what was typed."""
    async with program.run() as screen:
        shown = await reads(screen, program.asks_code)
        typed = await site.response(shown["passcode"]) if code is None else code
        await screen.type(typed + ENTER)
        before = program.asks_code + typed + "\n"
        if code is None:
            await program.let_in(screen, before)
        else:
            refusal = program.unavailable if end == NO_RELAY else program.refuses
            await program.refused(screen, before + end, refusal)
    return typed


async def test_approved_denied_expired_and_codes(folder: Path) -> None:
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            documented_site(folder, agent_prefix=clocks.prefix) as site,
            sshd(site.host, site.folder, AFTER_A_KEY) as server,
        ):
            programs = programs_of(site, server.client(SESSION, methods=METHODS))
            people = People(site, programs, {name: [] for name in programs})

            await people.each(lambda each: approved(site, each), "approved")
            await people.each(lambda each: denied(site, each), "denied")
            crowd = Crowd(site, clocks, len(programs), trio.Event(), [])
            await people.each(crowd.expired, "expired")
            await site.finds_nothing(crowd.passcodes[0])

            await site.no_relay()
            used: list[str] = []

            async def right(program: Program) -> None:
                used.append(await types(site, program, None))

            async def wrong(program: Program) -> None:
                await types(site, program, GUESS)

            async def replayed(program: Program) -> None:
                await types(site, program, used[0])

            async def nothing(program: Program) -> None:
                await types(site, program, "", NO_RELAY)

            await people.each(right, "code")
            await people.each(wrong, "wrong-code")
            await people.each(right, "code")  # four wrong ones were no pause
            await people.each(replayed, "wrong-code")
            await people.each(nothing, "unavailable")
