"""What breaks a sign-on off: the user, the host, the terminal, a signal."""

import os
import signal

import pytest
import trio

from tests.support.direct_agent import At, DirectAgent, Fault
from tests.validator.command_line import QUESTION
from tests.validator.terminal_user import PROGRAM, at_terminal
from validator.record import Record


@pytest.mark.parametrize("key", ["\x03", "\x04"])
async def test_leaving_the_question_sends_nothing(
    agent: DirectAgent, record: Record, env, key: str
):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await user.see(QUESTION)
        user.press(key)
        assert await user.ended() == 5
        assert "Nothing was approved" in user.screen
        assert user.echoes
    await waiting.ended.wait()
    assert waiting.decision is None


@pytest.mark.parametrize("nohup", [False, True])
async def test_a_terminal_that_goes_away_approves_nothing(
    agent: DirectAgent, record: Record, env, nohup: bool
):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode, nohup=nohup) as user:
        await user.see(QUESTION)
        user.hang_up()
        assert await user.process.wait() == (5 if nohup else -signal.SIGHUP)
    await waiting.ended.wait()
    assert waiting.decision is None


async def test_the_host_gives_up_while_the_user_reads(agent: DirectAgent, record: Record, env):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await user.see(QUESTION)
        waiting.cancelled.set()
        assert await user.ended() == 5
        assert user.echoes
        assert "ended before a decision was sent" in user.screen


async def test_interrupted_while_looking(agent: DirectAgent, record: Record, env):
    agent.faults[At.ACCEPT] = Fault.SILENCE
    async with at_terminal(env, "sign-on", "web1", agent.ask().passcode) as user:
        await agent.misbehaved.wait()
        await user.see("Looking for the sign-on")
        user.press("\x03")
        assert await user.ended() == 5
        assert "Nothing was approved" in user.screen


async def test_interrupted_after_the_decision(agent: DirectAgent, record: Record, env):
    agent.faults[At.RECEIPT] = Fault.SILENCE
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await user.see(QUESTION)
        user.press("a")
        await agent.misbehaved.wait()
        user.press("\x03")
        assert await user.ended() == 5
        assert "The outcome is unknown" in user.screen


async def test_interrupted_at_the_passcode(agent: DirectAgent, record: Record, env):
    async with at_terminal(env, "sign-on", "web1") as user:
        await user.see("Passcode that web1 shows: ")
        assert await user.insist("\x03") == 5
        assert "Given up" in user.screen
    assert agent.openings == []


@pytest.mark.parametrize("arguments", [["hosts"], ["hosts", "--json"], ["sign-on", "web1"]])
async def test_output_that_nobody_reads(
    agent: DirectAgent, record: Record, env, arguments: list[str]
):
    waiting = agent.ask()
    if arguments[0] == "sign-on":
        arguments = [*arguments, waiting.passcode, "--approve"]
    reading, writing = os.pipe()
    os.close(reading)
    with trio.fail_after(20):
        done = await trio.run_process(
            [*PROGRAM, *arguments], env=env, stdout=writing, capture_stderr=True, check=False
        )
    os.close(writing)
    assert done.returncode == 0
    assert done.stderr == b""


async def test_sigint_without_a_terminal(agent: DirectAgent, record: Record, env):
    agent.faults[At.ACCEPT] = Fault.SILENCE
    process = await trio.lowlevel.open_process(
        [*PROGRAM, "sign-on", "web1", agent.ask().passcode, "--approve"], env=env
    )
    await agent.misbehaved.wait()
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 5
