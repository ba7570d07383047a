"""Real sudo, called by ada on a terminal."""

import signal
from pathlib import Path

from tests.support.site import OTHER_LINES, Site
from tests.support.terminal import CTRL_C, terminal

REFUSED = 1


async def test_the_passcode_is_seen_first_and_the_command_runs_when_approved(site: Site) -> None:
    async with terminal(site.host.command_of_ada("sudo", "id", "-un")) as screen:
        passcode = await site.passcode(screen)
        assert "root" not in screen.screen
        context = await site.approve(passcode)
        await screen.shows(r"\broot\b")
        assert await screen.ends() == 0
    assert f"Note             in {Path.cwd()}: sudo id -un\n" in context
    entry = await site.ended("approved")
    assert (entry["user"], entry["service"]) == ("ada", "sudo")
    assert entry["steps"]["shown"] < entry["steps"]["paired"] < entry["steps"]["ended"]


async def test_a_denial_refuses_and_says_so(site: Site) -> None:
    async with terminal(site.host.command_of_ada("sudo", "id", "-un")) as screen:
        await site.deny(await site.passcode(screen))
        assert await screen.ends() == REFUSED
    assert "denied on the device" in screen.screen
    assert "root" not in screen.screen
    await site.ended("denied")


async def test_ctrl_c_cancels_at_once(site: Site) -> None:
    """sudo blocks it while PAM authenticates; the module looks for it, and sudo then gives up."""
    async with terminal(site.host.command_of_ada("sudo", "id", "-un")) as screen:
        passcode = await site.passcode(screen)
        await screen.type(CTRL_C)
        assert await screen.ends() == REFUSED
    await site.ended("cancelled")
    await site.finds_nothing(passcode)
    assert "root" not in screen.screen


async def test_a_killed_sudo_is_a_cancelled_sign_on(site: Site) -> None:
    async with terminal(site.host.command_of_ada("sudo", "id", "-un")) as screen:
        await site.passcode(screen)
        screen.process.send_signal(signal.SIGKILL)
        await site.ended("cancelled")


async def test_a_login_shell_is_a_service_of_its_own(site: Site) -> None:
    site.host.service("sudo-i", site.parts.auth_line + OTHER_LINES)
    async with terminal(site.host.command_of_ada("sudo", "-i", "id", "-un")) as screen:
        context = await site.approve(await site.passcode(screen))
        await screen.shows(r"\broot\b")
    assert "Service          sudo-i\n" in context
    assert f"Note             in {Path.cwd()}: sudo -i id -un\n" in context
