"""edge. A site whose sshd, sudo, su and login have what docs/services says, and ada a password."""

import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from tests.support.debian_stacks import PASSWORD, give_password, stack
from tests.support.namespace import USER, system_host
from tests.support.patience import until
from tests.support.programs import HOST, QUEUE, VALIDATION, installation
from tests.support.service_pages import blocks
from tests.support.site import OTHER_LINES, Site
from tests.support.terminal import ENTER, Terminal

SERVICES: Final = ("sshd", "sudo", "su", "login")
SETTINGS: Final = '[services.sshd]\nmethods = ["approve", "code"]\n' + "".join(
    f'[services.{name}]\nfirst_factor = "password"\nmethods = ["approve", "code"]\n'
    for name in ("sudo", "su", "login")
)
"""sshd says by itself that a key was right."""
METHODS: Final = "publickey,keyboard-interactive"
_INTERACTIVE: Final = "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n"
AFTER_A_KEY: Final = f"AuthenticationMethods {METHODS}\n{_INTERACTIVE}"
INTERACTIVE: Final = f"AuthenticationMethods keyboard-interactive\n{_INTERACTIVE}"
SESSION: Final = "echo in a session as $(id -un)"
IN_SESSION: Final = r"in a session as (?:ada|root)\s"
NOBODY: Final = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_TERMINAL: Final = ("setsid", "--wait")
SHOWN_PASSCODE: Final = "1649 0920"
SHOWN_ID: Final = "2yeqb4a4nhmoy"
"""In what a test expects, for whatever they are."""
_RULES: Final = f"Defaults !lecture\nroot ALL=(ALL:ALL) ALL\n{USER} ALL=(ALL:ALL) ALL\n"


@dataclass(frozen=True)
class DocumentedSite(Site):
    """There is one device, which does one thing after the other."""

    busy: trio.Lock = field(default_factory=trio.Lock)

    def stack(self, service: str, variant: int = 0, *, of: str = "") -> None:
        """Gives a service the `variant`-th stack of its page, or of the service `of`, but for the
        pause of who is wrong."""
        page = of or service
        text = stack(page, page, self.parts.auth_line, variant)
        self.host.service(service, text.replace("delay=3000000", "delay=0") + OTHER_LINES)

    async def approve(self, passcode: str) -> str:
        async with self.busy:
            return await super().approve(passcode)

    async def deny(self, passcode: str) -> str:
        async with self.busy:
            return await super().deny(passcode)

    async def response(self, passcode: str) -> str:
        """What the device shows for it, without a network."""
        async with self.busy:
            done = await self.parts.device.run("respond", HOST, passcode)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().removesuffix("\n")

    async def no_relay(self) -> None:
        """The agent gives up the search for one sooner than it would."""
        file, agent = self.folder / "agent.toml", self.parts.agent
        file.write_text(file.read_text().replace(QUEUE, "queue = 0.1"))
        agent.process.send_signal(signal.SIGHUP)
        await agent.logged("configuration adopted")
        self.parts.relay.process.terminate()
        await self.parts.agent.logged("link lost")

    async def has_ended(self, sign_on_id: str) -> None:
        """The one with that id on its screen."""
        log = self.parts.agent.log
        await until(
            lambda: any(
                (each.get("event"), each.get("sign_on_id")) == ("sign-on ended", sign_on_id)
                for each in log
            )
        )

    async def all_ended(self, outcomes: Mapping[str, Sequence[str]]) -> None:
        """All sign-ons until now: how those at each service ended, in any order."""
        if outcomes:
            await self.parts.agent.logged("sign-on ended", sum(map(len, outcomes.values())))
        found = Counter(
            (entry["service"], entry["outcome"])
            for entry in self.parts.agent.log
            if entry.get("event") == "sign-on ended"
        )
        assert found == Counter((name, end) for name, ends in outcomes.items() for end in ends)


@asynccontextmanager
async def documented_site(
    folder: Path,
    settings: str = SETTINGS,
    *,
    validation: float = VALIDATION,
    agent_prefix: Sequence[str] = (),
) -> AsyncIterator[DocumentedSite]:
    """Everybody must be able to enter `folder`; `settings` are tables of the agent's."""
    [sudoers] = blocks("sudoers", "sudo")
    host = system_host(folder, sudoers.text + _RULES)
    give_password(host)
    async with installation(
        host, folder, settings=settings, validation=validation, agent_prefix=agent_prefix
    ) as parts:
        site = DocumentedSite(host, parts, folder)
        for service in SERVICES:
            site.stack(service)
        yield site


async def types_password(screen: Terminal) -> None:
    await screen.shows("[Pp]assword.*: ")
    await screen.type(PASSWORD + ENTER)


async def reads(screen: Terminal, text: str) -> re.Match[str]:
    """Waits until the screen is `text` and nothing else; the match has its `passcode` and `id`.

    `text` has SHOWN_PASSCODE and SHOWN_ID in their places: the same ones wherever they stand.
    """
    pattern = re.escape(text).replace(re.escape("\n"), r"\r*\n\r*")
    for name, shown, form in (
        ("id", SHOWN_ID, "[a-z2-7]{13}"),
        ("passcode", SHOWN_PASSCODE, r"\d{4} \d{4}"),
    ):
        pattern = pattern.replace(re.escape(shown), f"(?P<{name}>{form})", 1)
        pattern = pattern.replace(re.escape(shown), f"(?P={name})")
    return await screen.shows(rf"\A\r*{pattern}\Z")
