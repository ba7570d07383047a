"""A relay that is restarted or dies between the passcode and the approval costs the user nothing.

The relays are processes of the real program; agent, module and device are real, too.
"""

import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from protocol.passcode import parse
from protocol.signon_messages import Context, Verdict
from tests.support.agent import RunningAgent, linked, start_agent
from tests.support.pam import (
    Message,
    PamCode,
    Reply,
    build_module,
    pam_session,
    press_enter,
    service_folder,
)
from tests.support.patience import until
from tests.support.phone import Phone, enrolled
from tests.support.recorded_log import RecordedLog, recorded_log
from tests.support.relay_process import RelayProcess
from tests.support.together import timers
from validator.choice import Choice
from validator.outcomes import Outcome

STOPS = [signal.SIGTERM, signal.SIGKILL]


@dataclass
class Site:
    """A host with a real PAM stack, its agent, its relays, and alice's phone."""

    folder: Path
    relays: list[RelayProcess]
    agent: RunningAgent
    phone: Phone
    log: RecordedLog

    async def sign_on(self, when_shown: Callable[[str], Awaitable[None]]) -> PamCode:
        """PAM's result; `when_shown` is the user's doing once the passcode is on the screen."""
        module = build_module()
        line = f"auth required {module} socket={self.agent.config.socket}\n"
        service = service_folder(self.folder / "pam.d", "sshd", line)

        async def conversation(message: Message) -> Reply:
            found = re.search(r"passcode (\d{4} \d{4})", message.text)
            if found is not None:
                await when_shown(parse(found[1]))
            return await press_enter(message)

        async with pam_session(service, "alice") as pam:
            return (await pam.authenticate(conversation)).code

    async def ended(self) -> dict[str, Any]:
        """The agent's line about the only sign-on; PAM has its result before that."""
        await self.agent.idle()
        (line,) = self.log.named("sign-on ended")
        return line


@asynccontextmanager
async def site(folder: Path, relays: int = 1) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        log = stack.enter_context(recorded_log())
        processes: list[RelayProcess] = []
        for number in range(relays):
            own = folder / f"relay{number}"
            own.mkdir()
            relay = RelayProcess(own)
            stack.push_async_callback(relay.clean_up)
            await relay.start()
            processes.append(relay)
        nursery = await stack.enter_async_context(trio.open_nursery())
        settings = [relay.settings for relay in processes]
        agent = await start_agent(nursery, folder, settings, timers=timers())
        await linked(agent)
        yield Site(folder, processes, agent, await enrolled(agent.host), log)
        await agent.idle()
        await agent.stop()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("stop", STOPS)
async def test_a_restart_between_passcode_and_approval(
    tmp_path: Path, stop: signal.Signals
) -> None:
    async with site(tmp_path) as parts:

        async def shown(code: str) -> None:
            assert await parts.relays[0].stop(stop) == (0 if stop is signal.SIGTERM else -stop)
            await parts.relays[0].start()
            # At once: whether the agent has its link back already is none of the user's business.
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS
        # Twice if the agent was back before the relay's socket was gone.
        assert parts.log.named("link lost")
        assert (await parts.ended())["outcome"] == "approved"


@pytest.mark.parametrize("stop", STOPS)
async def test_a_restart_while_the_relay_is_away_for_a_moment(
    tmp_path: Path, stop: signal.Signals
) -> None:
    async with site(tmp_path) as parts:

        async def shown(code: str) -> None:
            await parts.relays[0].stop(stop)
            assert (await parts.phone.sign_on(code)).outcome is Outcome.UNREACHABLE
            await parts.relays[0].start()
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS


async def test_a_kill_while_the_user_decides_and_the_same_passcode_again(tmp_path: Path) -> None:
    async with site(tmp_path) as parts:

        async def kill(_context: Context) -> Choice | None:
            await parts.relays[0].stop(signal.SIGKILL)
            await trio.sleep_forever()

        async def shown(code: str) -> None:
            ending = await parts.phone.sign_on(code, decide=kill)
            assert ending.outcome is Outcome.UNDECIDED
            await parts.relays[0].start()
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS


async def test_a_stop_while_the_user_decides_waits_for_the_decision(tmp_path: Path) -> None:
    async with site(tmp_path) as parts, trio.open_nursery() as nursery:

        async def stop_meanwhile(_context: Context) -> Choice | None:
            nursery.start_soon(parts.relays[0].stop, signal.SIGTERM)
            # The relay has heard of it when it takes no new request any more.
            await until(lambda: parts.agent.host.links[0].protocol._draining)
            return Choice(Verdict.APPROVE)

        async def shown(code: str) -> None:
            ending = await parts.phone.sign_on(code, decide=stop_meanwhile)
            assert ending.outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("stop", STOPS)
async def test_with_two_relays_one_dies(tmp_path: Path, stop: signal.Signals, which: int) -> None:
    async with site(tmp_path, relays=2) as parts:

        async def shown(code: str) -> None:
            await parts.relays[which].stop(stop)
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS
        assert (await parts.ended())["relay"] == str(parts.relays[1 - which].agents)


async def test_with_two_relays_one_dies_while_the_user_decides(tmp_path: Path) -> None:
    async with site(tmp_path, relays=2) as parts:

        async def kill(_context: Context) -> Choice | None:
            await parts.relays[0].stop(signal.SIGKILL)
            await trio.sleep_forever()

        async def shown(code: str) -> None:
            ending = await parts.phone.sign_on(code, decide=kill)
            assert ending.outcome is Outcome.UNDECIDED
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS


async def test_an_agent_that_starts_before_its_relay(tmp_path: Path) -> None:
    async with site(tmp_path) as parts:
        await parts.relays[0].stop(signal.SIGKILL)
        await parts.log.event("no connection")
        await parts.relays[0].start()
        await linked(parts.agent)

        async def shown(code: str) -> None:
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON

        assert await parts.sign_on(shown) is PamCode.SUCCESS
