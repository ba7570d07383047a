"""edge. A host with Bartizan on it, and what its user does there: read a passcode, wait, look."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.namespace import USER, SystemHost
from tests.support.programs import HOST, Entry, Installation
from tests.support.terminal import Terminal

SUDOERS: Final = (
    "Defaults !lecture, passwd_tries=1\n"  # one sign-on for each sudo: a denial is the end
    "root ALL=(ALL:ALL) ALL\n"
    f"{USER} ALL=(ALL:ALL) ALL\n"
)
OTHER_LINES: Final = "account required pam_permit.so\nsession required pam_permit.so\n"
"""The rest of a service file, behind the module's line."""

_SHOWN: Final = rf"host {re.escape(HOST)}, passcode (\d{{4}} \d{{4}}) \(\d+ s\)"


@dataclass(frozen=True)
class Site:
    """`folder` can be entered by everybody."""

    host: SystemHost
    parts: Installation
    folder: Path

    async def passcode(self, screen: Terminal) -> str:
        """What the user reads on the terminal; nobody else has been told it."""
        return (await screen.shows(_SHOWN))[1]

    async def approve(self, passcode: str) -> str:
        """The device's screen, after the host has confirmed."""
        code, said = await self.parts.device.sign_on(passcode, "--approve")
        assert code == 0, said
        assert "Signed on." in said
        return said

    async def deny(self, passcode: str) -> str:
        code, said = await self.parts.device.sign_on(passcode, "--deny")
        assert code == 1, said
        assert "Denied. The host let nobody in." in said
        return said

    async def finds_nothing(self, passcode: str) -> None:
        """The device asks for a sign-on that is over."""
        code, said = await self.parts.device.sign_on(passcode, "--approve")
        assert code != 0, said
        assert f"No such sign-on at {HOST}" in said

    async def ended(self, outcome: str, count: int = 1) -> Entry:
        """The agent's line for the `count`-th sign-on."""
        entry = await self.parts.agent.logged("sign-on ended", count)
        assert entry["outcome"] == outcome, entry
        return entry
