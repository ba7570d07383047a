"""edge. The moments of a sign-on, as people go through them at programs that ask: all at once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from tests.support.documented_site import DocumentedSite, reads
from tests.support.moved_clocks import Clocks
from tests.support.programs_that_ask import Program
from tests.support.terminal import ENTER

DENIED: Final = "Bartizan: denied on the device (2yeqb4a4nhmoy)"
EXPIRED: Final = "Bartizan: not approved in time (2yeqb4a4nhmoy)"
NOT_RIGHT: Final = "Bartizan: the code is not right (2yeqb4a4nhmoy)"
NO_RELAY: Final = "Bartizan: no relay can be reached, try again later (2yeqb4a4nhmoy)"
GUESS: Final = "1234 5678"

PASSCODE_SECONDS: Final = 60
"""How long the longest is valid."""


@dataclass
class Night:
    """Begins when so many wait; then the host sleeps for as long as a passcode is valid."""

    clocks: Clocks
    missing: int
    over: trio.Event = field(default_factory=trio.Event)

    async def falls(self) -> None:
        """One more waits, and goes on when the night is over."""
        self.missing -= 1
        if not self.missing:
            self.clocks.sleep(PASSCODE_SECONDS)
            self.over.set()
        await self.over.wait()


@dataclass
class People:
    """One at each program, all at once. At most four type a wrong code in a row: the fifth failure
    is a pause for ada's device."""

    site: DocumentedSite
    clocks: Clocks
    programs: Sequence[Program]
    relay: bool = True
    used: list[str] = field(default_factory=list)
    """Codes that were right."""
    ends: dict[str, list[str]] = field(default_factory=dict)
    """Of all sign-ons until now, by service."""

    async def each(
        self, does: Callable[[Program], Awaitable[None]], end: str, *programs: Program
    ) -> None:
        """All do the same, or those at `programs` do; their sign-ons end as `end`."""
        async with trio.open_nursery() as nursery:
            for program in programs or self.programs:
                self.ends.setdefault(program.service, []).append(end)
                nursery.start_soon(does, program)
        await self.site.all_ended(self.ends)

    async def no_relay(self) -> None:
        """From now on."""
        await self.site.no_relay()
        self.relay = False

    # ---- moments ---------------------------------------------------------------------------------

    async def approve(self, program: Program) -> None:
        async with program.run() as screen:
            shown = await reads(screen, program.asks)
            await self.site.approve(shown["passcode"])
            if program.prompts:
                await reads(screen, program.asks)  # still open
                await screen.type(ENTER)
            await program.let_in(screen, program.asked)

    async def deny(self, program: Program) -> None:
        async with program.run() as screen:
            shown = await reads(screen, program.asks)
            await self.site.deny(shown["passcode"])
            if program.prompts:
                await screen.type(ENTER)
            await program.refused(screen, program.asked + DENIED)

    async def all_expire(self) -> list[str]:
        """The passcodes that they had."""
        passcodes: list[str] = []
        night = Night(self.clocks, len(self.programs))

        async def expire(program: Program) -> None:
            async with program.run() as screen:
                shown = await reads(screen, program.asks)
                passcodes.append(shown["passcode"])
                await night.falls()
                if program.prompts:
                    # The agent has nobody to tell while the prompt is open: Enter comes too late.
                    await self.site.has_ended(shown["id"])
                    await screen.type(ENTER)
                await program.refused(screen, program.asked + EXPIRED)

        await self.each(expire, "expired")
        return passcodes

    async def all_type_late_codes(self) -> None:
        """They would have been right."""
        night = Night(self.clocks, len(self.programs))

        async def type_late_code(program: Program) -> None:
            async with program.run() as screen:
                shown = await reads(screen, self._asks(program))
                code = await self.site.response(shown["passcode"])
                await night.falls()
                await screen.type(code + ENTER)
                await program.refused(screen, f"{self._asks(program)}{code}\n{EXPIRED}")

        await self.each(type_late_code, "expired")

    async def type_right_code(self, program: Program) -> None:
        async with program.run() as screen:
            shown = await reads(screen, self._asks(program))
            code = await self.site.response(shown["passcode"])
            await screen.type(code + ENTER)
            await program.let_in(screen, f"{self._asks(program)}{code}\n")
        self.used.append(code)

    async def type_wrong_code(self, program: Program) -> None:
        await self._type_what_is_not_right(program, GUESS)

    async def type_used_code(self, program: Program) -> None:
        """One that was right for another passcode."""
        await self._type_what_is_not_right(program, self.used[0])

    async def type_nothing(self, program: Program) -> None:
        """While no relay is there."""
        async with program.run() as screen:
            if program.asks_code:
                await reads(screen, program.asks_code)
                await screen.type(ENTER)
            before = program.asks_code + "\n" * bool(program.asks_code)
            await program.refused(screen, before + NO_RELAY, program.unavailable)

    async def _type_what_is_not_right(self, program: Program, code: str) -> None:
        async with program.run() as screen:
            await reads(screen, self._asks(program))
            await screen.type(code + ENTER)
            await program.refused(screen, f"{self._asks(program)}{code}\n{NOT_RIGHT}")

    def _asks(self, program: Program) -> str:
        return program.asks if self.relay else program.asks_code
