"""A new configuration while sign-ons are under way: they end by the old one, others begin anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from daemons.log_settings import Log, LogFormat, LogLevel
from pam_agent.local_wire import RecordType, Result
from pam_agent.service_policy import Display
from protocol.address import TcpAddress
from protocol.signon_messages import SignOnOutcome
from tests.support.agent import linked, relay_settings
from tests.support.patience import until
from tests.support.relay import start_relay
from tests.support.services import service
from tests.support.together import signs_on, timers, together


async def test_a_waiting_sign_on_survives_the_loss_of_its_relay_from_the_list(
    tmp_path: Path,
) -> None:
    async with together(tmp_path) as parts:
        (tmp_path / "new").mkdir()
        new = await start_relay(parts.nursery, tmp_path / "new")
        agent, (old_link,) = parts.agent, parts.agent.host.links
        async with agent.call() as waiting:
            passcode = await waiting.passcode()
            assert agent.agent.adopt(replace(agent.config, relays=(relay_settings(new),))) == ()
            await linked(agent)
            assert [link is old_link for link in agent.host.links] == [False]
            assert old_link.protocol.up
            async with agent.call() as later:
                code = await later.passcode()
                async with parts.phone.attempt(code, str(new.validators)) as attempt:
                    await attempt.context()
                    assert await attempt.outcome() is SignOnOutcome.SIGNED_ON
                    await attempt.confirm()
                assert await later.result() is Result.APPROVED
            assert old_link.protocol.up
            await signs_on(parts, waiting, passcode)
        await until(lambda: not old_link.protocol.up)
        assert agent.host.links[0].protocol.up


async def test_a_relay_that_stays_in_the_list_keeps_its_link(tmp_path: Path) -> None:
    async with together(tmp_path, relays=2) as parts:
        agent, (first, second) = parts.agent, parts.agent.host.links
        one, two = agent.config.relays
        agent.agent.adopt(replace(agent.config, relays=(two, one)))
        assert agent.host.links == (second, first)
        agent.agent.adopt(replace(agent.config, relays=(two,)))
        assert agent.host.links == (second,)
        await until(lambda: not first.protocol.up)
        assert second.protocol.up


async def test_a_relay_with_another_key_is_another_relay(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        agent, (old,) = parts.agent, parts.agent.host.links
        other = replace(agent.config.relays[0], key=bytes(32))
        agent.agent.adopt(replace(agent.config, relays=(other,)))
        (new,) = agent.host.links
        assert new is not old
        assert (new.address, new.relay_key) == (old.address, bytes(32))


async def test_timers_policies_and_addresses_are_those_of_the_beginning(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        agent = parts.agent
        relay = replace(agent.config.relays[0], validators=(TcpAddress("new", 1),))
        async with agent.call() as before:
            passcode = await before.passcode()
            agent.agent.adopt(
                replace(
                    agent.config,
                    relays=(relay,),
                    timers=timers(validation=12.0),
                    callers={"postgres": ("postgresql",)},
                    services={"sudo": service("sudo", display=Display.REFUSE)},
                )
            )
            assert agent.host.timers.validation == 12.0
            assert agent.host.validators == ("new:1",)
            assert agent.host.callers == {"postgres": ("postgresql",)}
            async with agent.call() as after:
                assert await after.result() is Result.DENIED
                assert "cannot show a passcode" in after.shown[0][1]
            async with agent.call(service="su") as after:
                kind, payload = await after.record()
                assert (kind, b"(12 s)" in payload) == (RecordType.INFO, True)
            await signs_on(parts, before, passcode)


async def test_where_the_log_goes_cannot_change_but_its_level_can(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        other = Log(format=LogFormat.JSON, level=LogLevel.ERROR)
        assert parts.agent.agent.adopt(replace(parts.agent.config, log=other)) == ("log.format",)
        assert parts.agent.agent.config.log == Log(level=LogLevel.ERROR)


@pytest.mark.parametrize("key", ["host", "state", "socket", "admin_socket", "metrics"])
async def test_what_cannot_change_is_named_until_a_restart(tmp_path: Path, key: str) -> None:
    async with together(tmp_path) as parts:
        agent = parts.agent.agent
        other = replace(parts.agent.config, **{key: tmp_path / "other"})
        assert agent.adopt(other) == (key,)
        assert agent.adopt(other) == (key,)
        assert getattr(agent.config, key) == getattr(parts.agent.config, key)
        assert agent.adopt(parts.agent.config) == ()
