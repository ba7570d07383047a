"""edge. A site with a service that can show nothing, and what its users type as their password:
a ticket of the device's, or what an authenticator app shows."""

import base64
import contextlib
import hashlib
import hmac
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from tests.support.moved_clocks import Clocks
from tests.support.patience import until
from tests.support.programs import BIN, HOST, Entry
from tests.support.site import Site
from tests.support.terminal import terminal

LOCAL: Final = "127.0.0.1"
ELSEWHERE: Final = "127.0.0.2"
"""Another client's address. What one address has to wait for is told apart by it."""


@dataclass(frozen=True)
class SilentSite(Site):
    """`_seen` are the sign-ons that a test has looked at, by the address that they came from."""

    _seen: Counter[str] = field(default_factory=Counter)

    async def next_ended(self, *outcomes: str, source: str = LOCAL) -> Entry:
        """How all sign-ons from `source` since the last look have ended, in any order: the line of
        the last one.

        The agent writes it after PAM has its result, so it is waited for.
        """
        seen = self._seen[source]
        with contextlib.suppress(trio.TooSlowError):  # what there is says more
            await until(lambda: len(self._ended(source)) >= seen + len(outcomes))
        found = self._ended(source)[seen:]
        assert sorted(each["outcome"] for each in found) == sorted(outcomes), found
        self._seen[source] += len(found)
        return found[-1]

    def never_asked(self, source: str) -> bool:
        """Whether the agent was asked for nobody from there: something later has ended."""
        return not self._ended(source)

    def _ended(self, source: str) -> list[Entry]:
        log = self.parts.agent.log
        return [x for x in log if x["event"] == "sign-on ended" and x["remote"] == source]

    @property
    def agent_log(self) -> str:
        return str(self.parts.agent.log)

    async def ticket(self, service: str) -> str:
        """What the user reads on the device."""
        done = await self.parts.device.run("ticket", f"{service}@{HOST}")
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    async def lease_runs_out(
        self,
        clocks: Clocks,
        seconds: int,
        service: str,
        ticket: str,
        lets_in: Callable[[str], Awaitable[bool]],
    ) -> str:
        """A lease that has just begun by `ticket` holds for so long; a new ticket begins another:
        it is returned."""
        clocks.sleep(seconds // 2)
        assert await lets_in(ticket)
        await self.next_ended("lease")
        clocks.sleep(seconds // 2)
        assert not await lets_in(ticket)
        await self.next_ended("replayed")
        fresh = await self.ticket(service)
        for outcome in ("ticket", "lease"):
            assert await lets_in(fresh)
            await self.next_ended(outcome)
        return fresh

    async def app(self, user: str) -> bytes:
        """The secret that root gives to the user, as it is typed into an authenticator app."""
        command = (BIN / "bartizan-agent", "totp", user, "--no-qr")
        file = ("--config", self.folder / "agent.toml")
        async with terminal(self.host.command(*command, *file)) as screen:
            secret = await screen.shows(r"(?m)^  ([A-Z2-7 ]+)\r?$")
            assert await screen.ends() == 0, screen.screen
        return base64.b32decode(re.sub(r"\s", "", secret[1]))

    async def configure(self, settings: str) -> None:
        """`settings` are the tables of the agent's configuration from now on."""
        file, agent = self.folder / "agent.toml", self.parts.agent
        file.write_text(file.read_text().partition("\n[")[0] + "\n" + settings)
        adopted = sum(entry["event"] == "configuration adopted" for entry in agent.log)
        agent.process.send_signal(signal.SIGHUP)
        await agent.logged("configuration adopted", adopted + 1)


def mistyped(ticket: str) -> str:
    """Its last character is another one."""
    return ticket[:-1] + ("0" if ticket[-1] != "0" else "1")


def app_shows(secret: bytes) -> tuple[str, str]:
    """What an authenticator app makes of its secret now, by RFC 6238 alone; and a code that it does
    not show, neither now nor a minute before or after."""
    step = int(time.time()) // 30
    near = [_code(secret, each) for each in range(step - 2, step + 3)]
    return near[2], next(code for code in map("{:06}".format, range(6)) if code not in near)


def _code(secret: bytes, step: int) -> str:
    digest = hmac.digest(secret, struct.pack("!Q", step), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack_from('!I', digest, start)[0] & 0x7FFFFFFF) % 10**6:06}"
