"""Real su and login, by the stacks of their pages, beside what tests/system/test_user_screens has:
whom they ask, what the approver reads, and how people leave."""

from pathlib import Path

from tests.support.documented_site import (
    IN_SESSION,
    NOBODY,
    SESSION,
    documented_site,
    types_password,
)
from tests.support.terminal import CTRL_C, ENTER, terminal


async def test_su_and_login(folder: Path) -> None:
    async with documented_site(folder) as site:
        su = ("su", "ada", "-c", SESSION)
        async with terminal(site.host.command(*su)) as screen:  # root becomes anybody
            await screen.shows(IN_SESSION)
            assert await screen.ends() == 0
        assert "Bartizan" not in screen.screen
        for command in (site.host.command(*NOBODY, *su), site.host.command("login", "ada")):
            async with terminal(command) as screen:
                await screen.shows("Password: ")
                await screen.type("wrong" + ENTER)
                await screen.shows("failure|incorrect")
            assert "Bartizan" not in screen.screen
        await site.all_ended({})

        async with terminal(site.host.command(*NOBODY, *su)) as screen:
            await types_password(screen)
            context = await site.approve(await site.passcode(screen))
            await screen.shows(IN_SESSION)
            assert await screen.ends() == 0
        assert "First factor     password\n" in context
        assert "Note             by nobody\n" in context
        async with terminal(site.host.command("login", "ada")) as screen:
            await types_password(screen)
            context = await site.approve(await site.passcode(screen))
            await screen.shows(r"\$ $")
            await screen.type(SESSION + ENTER)
            await screen.shows(r"\n" + IN_SESSION)
        assert "First factor     password\n" in context
        await site.all_ended({"su": ["approved"], "login": ["approved"]})

        for count, command in enumerate(
            (site.host.command(*NOBODY, *su), site.host.command("login", "ada")), start=3
        ):
            async with terminal(command) as screen:
                await types_password(screen)
                passcode = await site.passcode(screen)
                await screen.type(CTRL_C)
                await screen.ends()
            await site.ended("cancelled", count)
            await site.finds_nothing(passcode)
