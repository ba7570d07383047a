"""`bartizan sign-on` without a terminal."""

import json
from pathlib import Path

import pytest

from protocol import passcode
from protocol.signon_messages import SignOnOutcome, UserVerification, Verdict
from tests.support.direct_agent import At, DirectAgent, Fault
from tests.validator.command_line import another, err, out, put
from tests.validator.pairs import pair
from tests.validator.terminal_user import run
from validator.record import Record


@pytest.mark.parametrize(
    ("option", "code", "verdict", "text"),
    [
        ("--approve", 0, Verdict.APPROVE, "Signed on."),
        ("--deny", 1, Verdict.DENY, "Denied."),
        ("--report", 1, Verdict.REPORT, "Denied and reported."),
    ],
)
async def test_options_decide(
    agent: DirectAgent,
    record: Record,
    env,
    option: str,
    code: int,
    verdict: Verdict,
    text: str,
):
    waiting = agent.ask(service="sudo")
    words = passcode.display(waiting.passcode).split()
    done = await run(env, "sign-on", "web1", *words, option)
    assert done.returncode == code
    assert text in out(done)
    assert "sudo" in out(done)
    assert waiting.decision is not None
    assert waiting.decision.verdict is verdict
    assert waiting.decision.user_verification is UserVerification.NONE


async def test_without_a_terminal_and_an_option_nothing_is_sent(
    agent: DirectAgent, record: Record, env
):
    done = await run(env, "sign-on", "web1", agent.ask().passcode, stdin="a\n")
    assert done.returncode == 2
    assert "--approve, --deny or --report" in err(done)
    assert agent.openings == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--approve", "--deny"], "give one of"),
        (["--approve"], "give the passcode"),
        (["4921", "--approve"], "has 8 digits, this has 4"),
        (["49217735", "--approve"], "a digit is wrong"),
        (["4921773x", "--approve"], "only digits"),
        (["49217734", "--approve", "--user", "bob"], "nothing enrolled fits web1 with user bob"),
        (["49217734", "--approve", "--wait", "-1"], "--wait"),
    ],
)
async def test_usage_errors_send_nothing(
    agent: DirectAgent, record: Record, env, arguments: list[str], complaint: str
):
    done = await run(env, "sign-on", "web1", *arguments)
    assert done.returncode == 2
    assert complaint in err(done)
    assert agent.openings == []
    assert done.stdout == b""


@pytest.mark.parametrize("changed", [{"host": "web2"}, {"user": "root"}])
async def test_approve_denies_what_differs_from_the_enrolment(
    agent: DirectAgent, record: Record, env, changed: dict[str, str]
):
    waiting = agent.ask(**changed)
    done = await run(env, "sign-on", "web1", waiting.passcode, "--approve")
    assert done.returncode == 1
    assert "WARNING" in out(done)
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.DENY


async def test_a_host_with_several_users(agent: DirectAgent, record: Record, home: Path, env):
    agent.user = "bob"
    put(home, pair(agent))
    waiting = agent.ask()
    done = await run(env, "sign-on", "web1", waiting.passcode, "--approve")
    assert done.returncode == 2
    assert "web1 (alice), web1 (bob)" in err(done)
    done = await run(env, "sign-on", "w", waiting.passcode, "--approve", "--user", "bob")
    assert done.returncode == 0


async def test_no_such_sign_on(agent: DirectAgent, record: Record, env):
    done = await run(env, "sign-on", "web1", another(agent.ask()), "--approve")
    assert done.returncode == 3
    text = " ".join(out(done).split())
    assert (
        "No such sign-on at web1: if a screen showed you this code, that screen may be fake" in text
    )


async def test_no_relay_in_reach(home: Path, env):
    put(home, pair(DirectAgent()))
    done = await run(env, "sign-on", "web1", passcode.generate(), "--approve")
    assert done.returncode == 4
    assert "No relay of web1 could be reached" in out(done)
    assert "fake" not in out(done)


@pytest.mark.parametrize(
    ("at", "fault", "code", "outcome"),
    [
        (At.FIRST_ANSWER, Fault.GARBAGE, 5, "not-genuine"),
        (At.RECEIPT, Fault.CLOSE, 5, "unknown"),
    ],
)
async def test_broken_off(
    agent: DirectAgent,
    record: Record,
    env,
    tmp_path: Path,
    at: At,
    fault: Fault,
    code: int,
    outcome: str,
):
    agent.faults[at] = fault
    log = tmp_path / "log"
    done = await run(
        env, "sign-on", "web1", agent.ask().passcode, "--approve", "--log-json", str(log)
    )
    assert done.returncode == code
    assert "Signed on" not in out(done)
    assert json.loads(log.read_text())["outcome"] == outcome


async def test_too_late(agent: DirectAgent, record: Record, env):
    waiting = agent.ask(outcome=SignOnOutcome.TOO_LATE)
    done = await run(env, "sign-on", "web1", waiting.passcode, "--approve")
    assert done.returncode == 1
    assert "too late" in out(done)


async def test_a_log_that_cannot_be_written_is_found_before_anything_is_sent(
    agent: DirectAgent, record: Record, env, tmp_path: Path
):
    log = tmp_path / "nowhere" / "log"
    done = await run(
        env, "sign-on", "web1", agent.ask().passcode, "--approve", "--log-json", str(log)
    )
    assert done.returncode == 2
    assert str(log) in err(done)
    assert agent.openings == []


async def test_a_locale_without_letters_does_not_stop_a_sign_on(
    agent: DirectAgent, record: Record, env
):
    ascii_only = dict(env) | {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    waiting = agent.ask(note="Größe 漢")
    done = await run(ascii_only, "sign-on", "web1", waiting.passcode, "--approve")
    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [[], ["--help"], ["sign-on", "--help"], ["--version"]])
async def test_help(env, arguments: list[str]):
    done = await run(env, *arguments)
    assert done.returncode == (0 if arguments else 2)
    assert b"bartizan" in done.stdout + done.stderr
