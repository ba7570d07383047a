"""Real sshd, driven by the real ssh client on a terminal."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.documented_site import (
    AFTER_A_KEY,
    INTERACTIVE,
    METHODS,
    SESSION,
    SETTINGS,
    documented_site,
    types_password,
)
from tests.support.site import Site
from tests.support.sshd import Sshd, sshd
from tests.support.terminal import ENTER, terminal

IN_SESSION = "in a session as ada"
DENIED = 255
"""ssh's own exit code."""


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
    async with sshd(site.host, site.folder, AFTER_A_KEY) as server:
        client = server.client(SESSION, methods=METHODS)
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


WITH_QR = SETTINGS.replace("[services.sshd]\n", "[services.sshd]\nqr = true\n")
QR_LINE = "[\u2580\u2584\u2588 \xa0]{29}"


async def test_a_code_is_typed_in_the_place_of_an_approval(folder: Path) -> None:
    """By the page's stack, behind a key, with a QR code for the device, which has nothing left to
    approve then."""
    async with (
        documented_site(folder, WITH_QR) as site,
        sshd(site.host, site.folder, AFTER_A_KEY) as server,
    ):
        async with terminal(server.client(SESSION, methods=METHODS)) as screen:
            passcode = await site.passcode(screen)
            below = rf"passcode {passcode} \(60 s\)\s+({QR_LINE}\s+){{15}}approve there"
            await screen.shows(below + ", then press Enter; or type its code: ")
            code = await site.response(passcode)
            await screen.type(code + ENTER)
            await screen.shows(IN_SESSION)
            assert await screen.ends() == 0
        await site.finds_nothing(passcode)
        await site.all_ended({"sshd": ["code"]})


async def test_the_password_comes_first(folder: Path) -> None:
    """By the page's stack and settings for that. What is wrong asks no device."""
    settings = '[services.sshd]\nfirst_factor = "password"\nmethods = ["approve", "code"]\n'
    async with (
        documented_site(folder, settings) as site,
        sshd(site.host, site.folder, INTERACTIVE) as server,
    ):
        site.stack("sshd", 1)
        async with terminal(server.client(SESSION)) as screen:
            await screen.shows("Password: ")
            await screen.type("wrong" + ENTER)
            assert await screen.ends() == DENIED
        assert "Bartizan" not in screen.screen
        async with terminal(server.client(SESSION)) as screen:
            await types_password(screen)
            context = await site.approve(await site.passcode(screen))
            await screen.type(ENTER)
            await screen.shows(IN_SESSION)
        assert "First factor     password\n" in context
        await site.ended("approved")
