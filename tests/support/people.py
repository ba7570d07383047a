"""edge. What people do at their terminals: a user with a device, and an administrator."""

from tests.support.terminal import ENTER, terminal

PASSCODE = r"host web1, passcode (\d{4} \d{4}) \(\d+ s\)"


async def enrolls(on_host: list[str], on_device: list[str]) -> None:
    """The code goes from the host's screen to the device, and people compare six digits."""
    async with terminal(on_host) as host:
        shown = await host.shows(r"(?s)\b(?:there|device):\s+(bartizan:.*?)\s+Works once")
        async with terminal(on_device) as device:
            await device.shows("Code")
            await device.type("".join(shown[1].split()) + ENTER)
            digits = (await host.shows(r"same digits: (\d{3} \d{3})"))[1]
            await device.shows(digits.replace(" ", " ?"))
            await device.shows("Enter means no")
            await device.type("y")
            assert await device.ends() == 0, device.screen
        assert await host.ends() == 0, host.screen


async def approves(on_device: list[str]) -> str:
    """The device's screen."""
    async with terminal(on_device) as device:
        await device.shows("Enter denies")
        await device.type("a")
        assert await device.ends() == 0, device.screen
    assert "Signed on." in device.screen
    return device.screen
