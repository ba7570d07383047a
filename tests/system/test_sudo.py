"""Real sudo, called by ada."""

import shlex
import signal
from pathlib import Path

import trio

from pam_agent.sudo_target import target_of
from tests.support.documented_site import NO_TERMINAL, documented_site, reads
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
    assert f"Note             as root, in {Path.cwd()}: sudo id -un\n" in context
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


COMMANDS = (
    *("sudo id -un", "sudo -u ada id -un", "sudo -nHuada id -un", "sudo --us ada -- id -un"),
    *("sudo A=b -u ada id -un", "sudo -u ada A=b id -un", "sudo -p 'x -u ada' id -un"),
)


async def test_the_target_that_an_approver_reads_is_sudos_own(site: Site) -> None:
    for command in COMMANDS:
        ran = await trio.run_process(site.host.command(*shlex.split(command)), capture_stdout=True)
        assert ran.stdout.decode() == target_of(command, "root") + "\n", command


async def test_a_login_shell_is_a_service_of_its_own(site: Site) -> None:
    site.host.service("sudo-i", site.parts.auth_line + OTHER_LINES)
    async with terminal(site.host.command_of_ada("sudo", "-i", "id", "-un")) as screen:
        context = await site.approve(await site.passcode(screen))
        await screen.shows(r"\broot\b")
    assert "Service          sudo-i\n" in context
    assert f"Note             as root, in {Path.cwd()}: sudo -i id -un\n" in context


NOBODY_TO_ASK = "sudo: a password is required\n"
NO_WAY_TO_ASK = """\
sudo: a terminal is required to read the password; either use the -S option to read from standard \
input or configure an askpass helper
"""


WRONG_PASSWORD = "[sudo] password for ada: sudo: 1 incorrect password attempt\n"


async def test_where_sudo_asks_nobody_for_a_password_no_device_is_asked(folder: Path) -> None:
    """By the stacks of its page; tests/system/test_user_screens has sudo -S with the right one."""
    async with documented_site(folder) as site:

        async def refuses(command: str, said: str) -> None:
            detached = site.host.command_of_ada(*NO_TERMINAL, "sh", "-c", command)
            async with terminal(detached) as screen:
                await reads(screen, said)
                assert await screen.ends() == REFUSED

        await refuses("sudo -n id -un", NOBODY_TO_ASK)
        await refuses("sudo -n id -un </dev/null", NOBODY_TO_ASK)
        await refuses("sudo id -un </dev/null", NO_WAY_TO_ASK + NOBODY_TO_ASK)
        await refuses("echo wrong | sudo -S id -un", WRONG_PASSWORD)
        site.stack("sudo", 1)  # the device is the only factor
        await refuses("sudo -n id -un", NOBODY_TO_ASK)
        await site.all_ended({})
