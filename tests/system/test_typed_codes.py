"""Codes from `bartizan respond`, typed at real programs, by the stacks that docs/services has."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.debian_stacks import PASSWORD, give_password, stack
from tests.support.namespace import system_host
from tests.support.programs import HOST, installation
from tests.support.site import OTHER_LINES, SUDOERS, Site
from tests.support.sshd import Sshd, sshd
from tests.support.terminal import ENTER, Terminal, terminal

SETTINGS = "".join(
    f'[services.{name}]\nfirst_factor = "password"\n' for name in ("sudo", "su", "login")
)
QR_LINE = "[\u2580\u2584\u2588 \xa0]{29}"
WITH_QR = "[services.sshd]\nqr = true\n"
AFTER_A_KEY = (
    "AuthenticationMethods publickey,keyboard-interactive\nKbdInteractiveAuthentication yes\n"
    "PasswordAuthentication no\n"
)
SESSION = "echo in a session as $(id -un)"
IN_SESSION = "in a session as ada"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
TO_RESPOND = rf"respond to host {re.escape(HOST)}, passcode (\d{{4}} \d{{4}}) \(\d+ s\)"


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Site]:
    """ada has a password; sudo, su, login and sshd have the stacks of their pages."""
    host = system_host(folder, SUDOERS)
    give_password(host)
    async with installation(host, folder, settings=SETTINGS + WITH_QR) as parts:
        for name in ("sshd", "sudo", "su", "login"):
            host.service(name, stack(name, name, parts.auth_line) + OTHER_LINES)
        yield Site(host, parts, folder)


@pytest.fixture
async def server(place: Site) -> AsyncIterator[Sshd]:
    async with sshd(place.host, place.folder, AFTER_A_KEY) as running:
        yield running


async def response(place: Site, passcode: str) -> str:
    """What the device shows for it, without a network."""
    done = await place.parts.device.run("respond", HOST, passcode)
    assert done.returncode == 0, done.stderr.decode()
    found = re.search(r"^\s*(\d{4} \d{4})\s*$", done.stdout.decode(), re.MULTILINE)
    assert found is not None, done.stdout.decode()
    return found[1]


async def no_relay(place: Site) -> None:
    place.parts.relay.process.terminate()
    await place.parts.agent.logged("link lost")


async def password(screen: Terminal) -> None:
    await screen.shows("[Pp]assword.*: ")
    await screen.type(PASSWORD + ENTER)


# ---- ssh -----------------------------------------------------------------------------------------


def client(server: Sshd) -> list[str]:
    return server.client(SESSION, methods="publickey,keyboard-interactive")


async def test_ssh_takes_a_code_at_the_prompt(place: Site, server: Sshd) -> None:
    async with terminal(client(server)) as screen:
        passcode = await place.passcode(screen)
        below = rf"passcode {passcode} \(60 s\)\s+({QR_LINE}\s+){{15}}approve there"
        await screen.shows(below + ", then press Enter; or type its code: ")
        assert IN_SESSION not in screen.screen
        await screen.type(await response(place, passcode) + ENTER)
        await screen.shows(IN_SESSION)
        assert await screen.ends() == 0
    await place.ended("code")
    await place.finds_nothing(passcode)


async def test_ssh_refuses_a_wrong_code_and_one_that_was_used(place: Site, server: Sshd) -> None:
    async with terminal(client(server)) as screen:
        used = await response(place, await place.passcode(screen))
        await screen.type(used + ENTER)
        assert await screen.ends() == 0
    for count, wrong in enumerate((used, "1234 5678", "what?"), start=2):
        async with terminal(client(server)) as screen:
            await place.passcode(screen)
            await screen.type(wrong + ENTER)
            assert await screen.ends() == 255
        assert "the code is not right" in screen.screen
        assert IN_SESSION not in screen.screen
        await place.ended("wrong-code", count)


async def test_ssh_without_a_relay_takes_a_code_only(place: Site, server: Sshd) -> None:
    await no_relay(place)
    async with terminal(client(server)) as screen:
        passcode = (await screen.shows(TO_RESPOND))[1]
        assert "No relay can be reached." in screen.screen
        assert IN_SESSION not in screen.screen
        await screen.type(await response(place, passcode) + ENTER)
        await screen.shows(IN_SESSION)
    await place.ended("code")
    async with terminal(client(server)) as screen:
        await screen.shows(TO_RESPOND)
        await screen.type(ENTER)
        assert await screen.ends() == 255
    await place.ended("unavailable", 2)


# ---- sudo ----------------------------------------------------------------------------------------


async def test_sudo_asks_for_the_password_and_then_the_device(place: Site) -> None:
    async with terminal(place.host.command_of_ada("sudo", "id", "-un")) as screen:
        await screen.shows("assword for ada: ")
        assert "passcode" not in screen.screen
        await screen.type("wrong" + ENTER)
        assert await screen.ends() == 1
    assert "passcode" not in screen.screen
    async with terminal(place.host.command_of_ada("sudo", "id", "-un")) as screen:
        await password(screen)
        context = await place.approve(await place.passcode(screen))
        await screen.shows(r"\broot\b")
        assert await screen.ends() == 0
    assert "First factor     password\n" in context
    assert re.search(r"Note +in /\S+: sudo id -un\n", context)


async def test_sudo_without_a_relay_takes_a_code(place: Site) -> None:
    await no_relay(place)
    for right in (True, False):
        async with terminal(place.host.command_of_ada("sudo", "-k", "id", "-un")) as screen:
            await password(screen)
            passcode = (await screen.shows(TO_RESPOND))[1]
            assert not re.search(r"\broot\b", screen.screen)
            code = await response(place, passcode) if right else "12345678"
            await screen.type(code + ENTER)
            assert await screen.ends() == (0 if right else 1)
        assert bool(re.search(r"\broot\b", screen.screen)) is right
    await place.ended("wrong-code", 2)


async def test_sudo_without_questions_and_with_the_password_from_standard_input(
    place: Site,
) -> None:
    async with terminal(place.host.command_of_ada("sudo", "-n", "id", "-un")) as screen:
        assert await screen.ends() == 1
    assert "a password is required" in screen.screen
    assert "passcode" not in screen.screen
    command = f"echo '{PASSWORD}' | sudo -S id -un"
    async with terminal(place.host.command_of_ada("sh", "-c", command)) as screen:
        await place.approve(await place.passcode(screen))
        await screen.shows(r"\broot\b")
        assert await screen.ends() == 0


# ---- su ------------------------------------------------------------------------------------------


def su(place: Site) -> list[str]:
    return place.host.command(*NOBODY, "su", "ada", "-c", SESSION)


async def test_su_asks_the_device_of_whom_it_becomes_unless_root_does(place: Site) -> None:
    async with terminal(place.host.command("su", "ada", "-c", SESSION)) as screen:
        await screen.shows(IN_SESSION)
    assert "passcode" not in screen.screen
    async with terminal(su(place)) as screen:
        await password(screen)
        context = await place.approve(await place.passcode(screen))
        await screen.shows(IN_SESSION)
    assert "Note             by nobody\n" in context
    async with terminal(su(place)) as screen:
        await password(screen)
        await place.deny(await place.passcode(screen))
        assert await screen.ends() == 1
    assert IN_SESSION not in screen.screen
    async with terminal(su(place)) as screen:
        await password(screen)
        await place.passcode(screen)
        await screen.leaves()
    await place.ended("cancelled", 3)


# ---- login ---------------------------------------------------------------------------------------


async def test_login_shows_the_passcode_and_goes_on_by_itself(place: Site) -> None:
    async with terminal(place.host.command("login", "ada")) as screen:
        await password(screen)
        passcode = await place.passcode(screen)
        assert "(30 s)" in screen.screen
        await place.approve(passcode)
        await screen.shows(r"\$ $")
        await screen.type(SESSION + ENTER)
        await screen.shows(IN_SESSION + r"\s")
    await place.ended("approved")


async def test_login_without_a_relay_takes_a_code(place: Site) -> None:
    await no_relay(place)
    async with terminal(place.host.command("login", "ada")) as screen:
        await password(screen)
        passcode = (await screen.shows(TO_RESPOND))[1]
        await screen.type(await response(place, passcode) + ENTER)
        await screen.shows(r"\$ $")
    await place.ended("code")
