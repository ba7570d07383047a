"""Real sudo, called by ada."""

import signal
from pathlib import Path

from tests.support.debian_stacks import PASSWORD
from tests.support.documented_site import documented_site, reads
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


REQUEST = """\
Bartizan sign-on 2yeqb4a4nhmoy at bastion.example
On your device: host bastion.example, passcode 1649 0920 (60 s)
"""
NOBODY_TO_ASK = "sudo: a password is required\n"
NO_TERMINAL = """\
sudo: a terminal is required to read the password; either use the -S option to read from standard \
input or configure an askpass helper
"""
DENIED = "Bartizan: denied on the device (2yeqb4a4nhmoy)\nsudo: 1 incorrect password attempt\n"


def detached(command: str) -> tuple[str, ...]:
    """It has no terminal of its own, but what it writes still goes to one: else sudo keeps what
    is to be shown in a buffer until it ends."""
    return ("setsid", "--wait", "sh", "-c", command)


async def test_nobody_to_ask_and_no_terminal(folder: Path) -> None:
    """By the stacks of its page. Where sudo asks nobody for a password, no device is asked."""
    from_standard_input = f"echo '{PASSWORD}' | sudo -S id -un"
    async with documented_site(folder) as site:
        ada = site.host.command_of_ada
        for command, said in (
            ("sudo -n id -un", NOBODY_TO_ASK),
            ("sudo -n id -un </dev/null", NOBODY_TO_ASK),
            ("sudo id -un </dev/null", NO_TERMINAL + NOBODY_TO_ASK),
            (
                "echo wrong | sudo -S id -un",
                "[sudo] password for ada: sudo: 1 incorrect password attempt\n",
            ),
        ):
            async with terminal(ada(*detached(command))) as screen:
                await reads(screen, said)
                assert await screen.ends() == REFUSED
        await site.all_ended({})

        before = "[sudo] password for ada: " + REQUEST
        async with terminal(ada(*detached(from_standard_input))) as screen:
            await site.approve((await reads(screen, before))["passcode"])
            await reads(screen, before + "root\n")
            assert await screen.ends() == 0
        async with terminal(ada("sh", "-c", from_standard_input)) as screen:  # on a terminal
            await site.deny((await reads(screen, before))["passcode"])
            await reads(screen, before + DENIED)
            assert await screen.ends() == REFUSED

        site.stack("sudo", 1)  # the device is the only factor; the passcode is on standard output
        async with terminal(ada(*detached("sudo id -un </dev/null 2>/dev/null"))) as screen:
            await site.approve((await reads(screen, REQUEST))["passcode"])
            await reads(screen, REQUEST + "root\n")
            assert await screen.ends() == 0
        async with terminal(ada(*detached("sudo -n id -un"))) as screen:
            await reads(screen, NOBODY_TO_ASK)
            assert await screen.ends() == REFUSED
        await site.all_ended({"sudo": ["approved", "denied", "approved"]})
