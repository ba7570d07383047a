"""pamtester, called by ada on a terminal, with a service that nothing is known of."""

import signal

from tests.support.site import Site
from tests.support.terminal import CTRL_C, ENTER, terminal

REFUSED = 1
SUCCESS = "successfully authenticated"
COMMAND = ("pamtester", "pamtester", "ada", "authenticate")


async def test_the_passcode_is_seen_first_and_authentication_succeeds_when_approved(
    site: Site,
) -> None:
    async with terminal(site.host.command_of_ada(*COMMAND)) as screen:
        await site.approve(await site.passcode(screen))
        assert SUCCESS not in screen.screen
        await screen.type(ENTER)
        assert await screen.ends() == 0
    assert SUCCESS in screen.screen
    entry = await site.ended("approved")
    assert (entry["user"], entry["service"]) == ("ada", "pamtester")


async def test_a_denial_refuses_and_says_so(site: Site) -> None:
    async with terminal(site.host.command_of_ada(*COMMAND)) as screen:
        await site.deny(await site.passcode(screen))
        await screen.type(ENTER)
        assert await screen.ends() == REFUSED
    assert "denied on the device" in screen.screen
    assert SUCCESS not in screen.screen
    await site.ended("denied")


async def test_ctrl_c_cancels(site: Site) -> None:
    async with terminal(site.host.command_of_ada(*COMMAND)) as screen:
        await site.passcode(screen)
        await screen.type(CTRL_C)
        assert await screen.ends() == -signal.SIGINT
    await site.ended("cancelled")


async def test_ada_may_not_ask_for_another(site: Site) -> None:
    command = ("pamtester", "pamtester", "root", "authenticate")
    async with terminal(site.host.command_of_ada(*command)) as screen:
        assert await screen.ends() == REFUSED
    assert "not allowed here" in screen.screen
    await site.ended("not-allowed")


async def test_credentials_are_set_after_an_approval(site: Site) -> None:
    async with terminal(site.host.command_of_ada(*COMMAND, "setcred")) as screen:
        await site.approve(await site.passcode(screen))
        await screen.type(ENTER)
        assert await screen.ends() == 0
    assert SUCCESS in screen.screen
