"""Real sshd, driven by the real ssh client on a terminal."""

from collections.abc import AsyncIterator

import pytest

from tests.support.site import Site
from tests.support.sshd import Sshd, sshd
from tests.support.terminal import CTRL_C, ENTER, terminal

SESSION = "echo in a session as $(id -un)"
IN_SESSION = "in a session as ada"
DENIED = 255
"""ssh's own exit code."""

INTERACTIVE = (
    "AuthenticationMethods keyboard-interactive\nKbdInteractiveAuthentication yes\n"
    "PasswordAuthentication no\n"
)


@pytest.fixture
async def server(site: Site) -> AsyncIterator[Sshd]:
    async with sshd(site.host, site.folder, INTERACTIVE) as running:
        yield running


async def test_the_passcode_is_seen_first_and_the_session_opens_when_approved(
    site: Site, server: Sshd
) -> None:
    async with terminal(server.client(SESSION)) as screen:
        passcode = await site.passcode(screen)
        assert IN_SESSION not in screen.screen
        context = await site.approve(passcode)
        assert IN_SESSION not in screen.screen  # the prompt is still open
        await screen.type(ENTER)
        await screen.shows(IN_SESSION)
        assert await screen.ends() == 0
    assert "127.0.0.1" in context
    entry = await site.ended("approved")
    assert (entry["user"], entry["service"], entry["remote"]) == ("ada", "sshd", "127.0.0.1")
    assert entry["steps"]["shown"] < entry["steps"]["paired"] < entry["steps"]["ended"]


async def test_enter_alone_opens_nothing_and_the_approval_then_does(
    site: Site, server: Sshd
) -> None:
    async with terminal(server.client(SESSION)) as screen:
        passcode = await site.passcode(screen)
        await screen.type(ENTER)
        await site.approve(passcode)
        await screen.shows(IN_SESSION)
        assert await screen.ends() == 0
    await site.ended("approved")


async def test_an_approval_comes_after_the_public_key(site: Site) -> None:
    both = INTERACTIVE.replace("keyboard-interactive\n", "publickey,keyboard-interactive\n", 1)
    async with sshd(site.host, site.folder, both) as server:
        client = server.client(SESSION, methods="publickey,keyboard-interactive")
        async with terminal(client) as screen:
            context = await site.approve(await site.passcode(screen))
            await screen.type(ENTER)
            await screen.shows(IN_SESSION)
    assert "First factor     publickey\n" in context


async def test_a_denial_refuses_and_says_so(site: Site, server: Sshd) -> None:
    async with terminal(server.client(SESSION)) as screen:
        await site.deny(await site.passcode(screen))
        await screen.type(ENTER)
        assert await screen.ends() == DENIED
    assert "denied on the device" in screen.screen
    assert "Permission denied" in screen.screen
    assert IN_SESSION not in screen.screen
    await site.ended("denied")


async def test_ctrl_c_at_the_prompt_cancels(site: Site, server: Sshd) -> None:
    async with terminal(server.client(SESSION)) as screen:
        await site.passcode(screen)
        await screen.leaves()
        await site.ended("cancelled")
    assert IN_SESSION not in screen.screen


async def test_a_dropped_connection_cancels(site: Site, server: Sshd) -> None:
    async with terminal(server.client(SESSION)) as screen:
        passcode = await site.passcode(screen)
        screen.process.kill()
        await site.ended("cancelled")
    await site.finds_nothing(passcode)


async def test_the_method_password_gets_no_approval_and_gives_no_password_away(site: Site) -> None:
    """It can show nothing before the login is over, and would answer a hidden question by it."""
    password = "Password that ada types"
    settings = "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
    async with (
        sshd(site.host, site.folder, settings) as server,
        terminal(server.client(SESSION, methods="password")) as screen,
    ):
        await screen.shows("password: ")
        await screen.type(password + ENTER)
        assert await screen.ends() == DENIED
    assert IN_SESSION not in screen.screen
    await site.ended("conversation-failed")
    assert password not in str(site.parts.agent.log)
