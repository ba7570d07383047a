"""Without any network: what the real device computes is typed at a real PAM stack, before the real
agent, whose relay is gone."""

import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from pam_agent.policy import DISABLING_FAILURE, MAX_BACKOFF
from tests.support.moved_clocks import Clocks, moved_clocks
from tests.support.namespace import USER
from tests.support.pam import Message, PamCode, Reply, Style, pam_session, service_folder
from tests.support.plain_host import programs
from tests.support.programs import HOST, QUEUE, Entry, Installation

SERVICES: Final = '[services.sshd]\nfirst_factor = "password"\nmethods = ["approve", "code"]\n'
"""And postgresql as it is known without being told: nothing can be shown, a ticket is typed."""


@dataclass
class Site:
    """A host that nothing reaches, and the device beside it. `ends` counts sign-ons."""

    parts: Installation
    folder: Path
    clocks: Clocks
    ends: int = 0

    async def device_says(self, *arguments: str) -> str:
        """Standard output of `bartizan`, which is the code and nothing else."""
        done = await self.parts.device.run(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().removesuffix("\n")

    async def sign_on(
        self, service: str, answer: Callable[[str], Awaitable[str]]
    ) -> tuple[PamCode, Entry]:
        """PAM's result and the agent's line; `answer` makes of the text of the one question what
        the user types."""
        asked: list[Message] = []

        async def conversation(message: Message) -> Reply:
            if message.style in (Style.ERROR_MSG, Style.TEXT_INFO):
                return b""
            asked.append(message)
            return (await answer(message.text)).encode()

        stack = service_folder(self.folder / "pam.d", service, self.parts.auth_line)
        async with pam_session(stack, USER) as pam:
            ending = await pam.authenticate(conversation)
        assert len(asked) == 1
        self.ends += 1
        return ending.code, await self.parts.agent.logged("sign-on ended", self.ends)

    async def types(self, service: str, text: str) -> tuple[PamCode, str]:
        """The same with `text` typed, whatever is asked; the agent's word for the end."""

        async def answer(_question: str) -> str:
            return text

        code, entry = await self.sign_on(service, answer)
        return code, entry["outcome"]

    async def responds(self, change: Callable[[str], str] = str) -> tuple[PamCode, str, str]:
        """The same at a prompt with the device's response, after `change`; and the response."""
        typed = ""

        async def answer(question: str) -> str:
            nonlocal typed
            found = re.search(r"passcode (\d{4} \d{4})", question)
            assert found is not None, question
            typed = await self.device_says("respond", HOST, found[1])
            return change(typed)

        code, entry = await self.sign_on("sshd", answer)
        return code, entry["outcome"], typed


@asynccontextmanager
async def without_network(folder: Path) -> AsyncIterator[Site]:
    """ada's device is enrolled; then the relay goes, and does not come back."""
    with moved_clocks(folder / "clocks") as clocks:
        async with programs(folder, agent_prefix=clocks.prefix) as running:
            parts = running.parts
            file = folder / "agent.toml"
            quick = file.read_text().replace(QUEUE, "queue = 0.1")
            file.write_text(quick + SERVICES)
            parts.agent.process.send_signal(signal.SIGHUP)
            await parts.agent.logged("configuration adopted")
            parts.relay.process.terminate()
            await parts.agent.logged("link lost")
            yield Site(parts, folder, clocks)


async def test_responses_and_tickets(tmp_path: Path) -> None:
    async with without_network(tmp_path) as site:
        code, outcome, used = await site.responds()
        assert (code, outcome) == (PamCode.SUCCESS, "code")
        # A response is to its own passcode: the next prompt has another.
        assert await site.types("sshd", used) == (PamCode.AUTH_ERR, "wrong-code")
        assert await site.types("sshd", "") == (PamCode.AUTHINFO_UNAVAIL, "unavailable")
        code, outcome, _ = await site.responds(str.strip)
        assert (code, outcome) == (PamCode.SUCCESS, "code")

        first, second, third = [
            await site.device_says("ticket", f"postgresql@{HOST}") for _ in range(3)
        ]
        assert await site.types("postgresql", second) == (PamCode.SUCCESS, "ticket")
        for replayed in (second, second.lower(), first):
            assert await site.types("postgresql", replayed) == (PamCode.AUTH_ERR, "replayed")
        assert await site.types("postgresql", "hunter2") == (PamCode.AUTH_ERR, "wrong-code")
        assert await site.types("dovecot", third) == (PamCode.AUTH_ERR, "wrong-code")
        assert await site.types("postgresql", third.lower()) == (PamCode.SUCCESS, "ticket")
        log = str(site.parts.agent.log)
        assert not any(secret in log for secret in (used, first, second, third))


async def test_ten_wrong_responses_disable_the_device_and_strangers_tickets_never(
    tmp_path: Path,
) -> None:
    def wrong(response: str) -> str:
        return response[:-1] + str((int(response[-1]) + 1) % 10)

    async with without_network(tmp_path) as site:

        async def stranger(guess: str) -> None:
            assert (await site.types("postgresql", guess))[0] is PamCode.AUTH_ERR

        async with trio.open_nursery() as nursery:
            for number in range(DISABLING_FAILURE):
                nursery.start_soon(stranger, f"0000-000-{number:03}")
        assert (await site.responds())[:2] == (PamCode.SUCCESS, "code")

        for number in range(DISABLING_FAILURE):
            site.clocks.set_wall(number * int(MAX_BACKOFF))  # every pause is over
            assert (await site.responds(wrong))[:2] == (PamCode.AUTH_ERR, "wrong-code")
        site.clocks.set_wall(DISABLING_FAILURE * int(MAX_BACKOFF))
        assert (await site.responds())[:2] == (PamCode.AUTH_ERR, "wrong-code")
        ticket = await site.device_says("ticket", f"postgresql@{HOST}")
        assert await site.types("postgresql", ticket) == (PamCode.AUTH_ERR, "wrong-code")
        assert (await site.parts.agent.logged("device disabled"))["device"] == 1
