"""What nobody approves in time is refused, whichever program asks."""

import trio

from tests.support.moved_clocks import Clocks
from tests.support.patience import until
from tests.support.programs import VALIDATION
from tests.support.site import Site
from tests.support.sshd import sshd
from tests.support.terminal import ENTER, Terminal, terminal

EXPIRED = "not approved in time"
ALL = ("sshd", "sudo", "pamtester")


async def test_all_three_refuse_when_the_time_is_over(site: Site, clocks: Clocks) -> None:
    codes: dict[str, int] = {}
    screens: dict[str, Terminal] = {}
    passcodes: list[str] = []
    over = trio.Event()

    async def one(name: str, command: list[str], *, prompts: bool) -> None:
        async with terminal(command) as screen:
            screens[name] = screen
            passcodes.append(await site.passcode(screen))
            if prompts:
                # The agent has nobody to tell while the prompt is open: Enter comes too late.
                await over.wait()
                await screen.type(ENTER)
            codes[name] = await screen.ends()

    settings = "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n"
    pamtester = ("pamtester", "pamtester", "ada", "authenticate")
    async with sshd(site.host, site.folder, settings) as server, trio.open_nursery() as nursery:
        start = nursery.start_soon
        client = server.client("echo in a session as $(id -un)")
        start(lambda: one("sshd", client, prompts=True))
        start(lambda: one("sudo", site.host.command_of_ada("sudo", "id", "-un"), prompts=False))
        start(lambda: one("pamtester", site.host.command_of_ada(*pamtester), prompts=True))
        await until(lambda: len(passcodes) == len(ALL))
        clocks.sleep(int(VALIDATION))
        for number in range(1, len(ALL) + 1):
            await site.ended("expired", number)
        over.set()

    assert codes == {"sshd": 255, "sudo": 1, "pamtester": 1}
    for name, screen in screens.items():
        assert EXPIRED in screen.screen, name
    assert "in a session" not in screens["sshd"].screen
    assert "root" not in screens["sudo"].screen
    assert "successfully" not in screens["pamtester"].screen
    await site.finds_nothing(passcodes[0])
