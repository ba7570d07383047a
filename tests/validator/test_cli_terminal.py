"""`bartizan sign-on` with a person at a terminal."""

import json
import time
from pathlib import Path

import pytest
import trio

from protocol import passcode
from protocol.signon_messages import UserVerification, Verdict
from tests.support.direct_agent import DirectAgent, direct_agent
from tests.validator.command_line import QUESTION, mistyped, put, stored
from tests.validator.pairs import pair
from tests.validator.terminal_user import at_terminal, environment, run
from validator.record import Record, State


async def test_enrol_and_sign_on(agent: DirectAgent, home: Path, tmp_path: Path):
    log = tmp_path / "log"
    env = environment(home, BARTIZAN_LOG=str(log))
    before = time.time()
    async with at_terminal(env, "enroll", agent.offer().encode(), "--name", "phone") as user:
        await user.see("Enrolment at web1")
        compare = agent.devices[0].compare
        await user.see("Enrol this device for alice at web1?")
        await user.see(f"6 digits: {compare}")
        await user.see("(Enter means no) ")
        user.press("y")
        assert await user.ended() == 0
        assert "Enrolled: this device can sign alice on at web1." in user.screen
    assert agent.devices[0].name == "phone"
    assert agent.devices[0].proved
    (proved,) = stored(home)
    assert proved.state is State.ACTIVE

    waiting = agent.ask(service="sudo", note="/usr/bin/apt upgrade", text="welcome")
    async with at_terminal(env, "sign-on") as user:
        await user.see("Passcode that web1 shows: ")
        user.press(passcode.display(waiting.passcode) + "\n")
        for text in ("Sign-on at web1", "alice", "sudo", "apt upgrade", QUESTION):
            await user.see(text)
        assert not user.echoes
        user.press("a")
        assert await user.ended() == 0
        assert user.echoes
        assert "Signed on.\nweb1 says: welcome\n" in user.screen
    assert waiting.confirmed
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.APPROVE
    assert waiting.decision.user_verification is UserVerification.PRESENCE

    proof, sign_on = map(json.loads, log.read_text().splitlines())
    assert (proof["mode"], proof["outcome"]) == ("proof", "signed-on")
    assert (sign_on["mode"], sign_on["outcome"]) == ("passcode", "signed-on")
    steps = ["connected", "context_shown", "decided", "receipt"]
    assert list(sign_on["at"]) == steps
    times = [before, *(sign_on["at"][step] for step in steps), time.time()]
    assert times == sorted(times)
    assert log.stat().st_mode & 0o777 == 0o600
    assert waiting.passcode not in log.read_text()


@pytest.mark.parametrize(
    ("key", "verdict", "outcome"),
    [
        ("d", Verdict.DENY, "Denied. The host let nobody in."),
        ("\r", Verdict.DENY, "Denied. The host let nobody in."),
        ("r", Verdict.REPORT, "Denied and reported."),
    ],
)
async def test_denials(
    agent: DirectAgent, record: Record, env, key: str, verdict: Verdict, outcome: str
):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode, "--reason", "why") as user:
        await user.see(QUESTION)
        user.press(key)
        assert await user.ended() == 1
        assert outcome in user.screen
    assert waiting.decision is not None
    assert waiting.decision.verdict is verdict
    assert waiting.decision.reason == "why"


async def test_what_was_typed_before_the_question_does_not_answer_it(
    agent: DirectAgent, record: Record, env
):
    agent.context_gate = trio.Event()
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await waiting.matched.wait()
        user.press("a")
        agent.context_gate.set()
        await user.see(QUESTION)
        assert waiting.decision is None
        user.press("d")
        assert await user.ended() == 1
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.DENY


async def test_other_keys_decide_nothing(agent: DirectAgent, record: Record, env):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await user.see(QUESTION)
        for keys in ("x", "\x1b[a", "A", "aa", " ", "y"):
            user.press(keys)
            await trio.sleep(0.02)  # most of them a key press of their own
        assert waiting.decision is None
        assert await user.insist("r") == 1
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.REPORT


async def test_a_mistyped_passcode_is_asked_again_before_anything_is_sent(
    agent: DirectAgent, record: Record, env
):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", mistyped(waiting.passcode)) as user:
        await user.see("Mistyped: a digit is wrong")
        await user.see("Passcode that web1 shows: ")
        user.press("4921\n")
        await user.see("Mistyped: a passcode has 8 digits, this has 4")
        assert agent.openings == []
        user.press(waiting.passcode + "\n")
        await user.see(QUESTION)
        user.press("a")
        assert await user.ended() == 0


async def test_the_host_is_picked_from_a_menu(agent: DirectAgent, record: Record, home: Path, env):
    async with direct_agent(host="db") as other:
        put(home, pair(other))
        waiting = agent.ask()
        async with at_terminal(env, "sign-on") as user:
            await user.see("1  db (alice)\n  2  web1 (alice)\n")
            user.press("2\n")
            await user.see("Passcode that web1 shows: ")
            user.press(waiting.passcode + "\n")
            await user.see(QUESTION)
            user.press("a")
            assert await user.ended() == 0
        assert other.openings == []


async def test_colours_only_where_they_are_wanted(agent: DirectAgent, record: Record, env):
    async with at_terminal(env, "hosts") as user:
        await user.ended()
        assert "\x1b[" in user.raw.decode()
    for variable in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        async with at_terminal(dict(env) | variable, "hosts") as user:
            await user.ended()
            assert "\x1b[" not in user.raw.decode()
            assert "web1 (alice)" in user.screen
    assert b"\x1b[" not in (await run(env, "hosts")).stdout


async def test_a_hostile_note_cannot_leave_its_column_on_a_narrow_terminal(
    agent: DirectAgent, record: Record, env
):
    waiting = agent.ask(note="漢" * 10 + " Host             prod " + "x" * 60)
    async with at_terminal(env, "sign-on", "web1", waiting.passcode, columns=40) as user:
        await user.see(QUESTION)
        start = user.screen.index("  Note ")
        end = user.screen.index("  Last sign-on")
        assert all(
            line.startswith(" " * 19) for line in user.screen[start:end].rstrip().split("\n")[1:]
        )
        user.press("d")
        await user.ended()
