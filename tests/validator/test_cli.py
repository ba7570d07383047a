"""The program as its user has it: real processes, terminals, directories and sockets."""

import json
import os
import shutil
import signal
import textwrap
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import trio

from protocol import passcode
from protocol.enrolment import SCHEME
from protocol.signon_messages import SignOnOutcome, UserVerification, Verdict
from tests.support.direct_agent import At, DirectAgent, Fault, Waiting, direct_agent
from tests.validator.pairs import pair
from tests.validator.terminal_user import PROGRAM, at_terminal, environment, run
from validator.keystore import KeyStore
from validator.record import Record, State

QUESTION = "(Enter denies) "


@pytest.fixture
async def agent():
    async with direct_agent() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    return environment(home)


def put(home: Path, record: Record) -> None:
    with KeyStore(home) as store, store.locked(record.record_id, 0, lambda: None) as locked:
        locked.write(record)


def stored(home: Path) -> tuple[Record, ...]:
    with KeyStore(home) as store:
        return store.listing().records


def files(home: Path) -> list[str]:
    return sorted(os.listdir(home))


@pytest.fixture
def record(agent: DirectAgent, home: Path) -> Record:
    """An enrolled device."""
    enrolled = pair(agent)
    put(home, enrolled)
    return enrolled


def another(waiting: Waiting) -> str:
    code = passcode.generate()
    return code if code != waiting.passcode else another(waiting)


def mistyped(code: str) -> str:
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def out(done: CompletedProcess[bytes]) -> str:
    return done.stdout.decode()


def err(done: CompletedProcess[bytes]) -> str:
    """Standard error as one line, however it was wrapped."""
    return " ".join(done.stderr.decode().split())


# ---- with a person at a terminal -----------------------------------------------------------------


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


async def test_the_code_may_be_typed_in_several_lines_and_once_more(
    agent: DirectAgent, home: Path, env
):
    code = agent.offer().encode().removeprefix(SCHEME)
    async with at_terminal(env, "enroll") as user:
        await user.see("Code: ")
        user.press("bartizan:wrong\n")
        await user.see("...: ")
        user.press("\n")
        await user.see("incomplete or mistyped. Once more.")
        await user.see("Code: ")
        for line in (SCHEME, code[:40], "-".join((code[40:45], code[45:90])), code[90:]):
            user.press(line + "\n")
        await user.see("(Enter means no) ")
        user.press("y")
        assert await user.ended() == 0
    assert stored(home)[0].state is State.ACTIVE


@pytest.mark.parametrize("key", ["n", "\r", "\x03"])
async def test_an_enrolment_that_is_not_confirmed_is_forgotten(
    agent: DirectAgent, home: Path, env, key: str
):
    async with at_terminal(env, "enroll", agent.offer().encode()) as user:
        await user.see("(Enter means no) ")
        assert stored(home)[0].state is State.UNPROVED
        user.press(key)
        assert await user.ended() == (5 if key == "\x03" else 1)
        assert "Not enrolled" in user.screen
    assert stored(home) == ()
    assert not agent.devices[0].proved


async def test_interrupted_while_the_host_answers(agent: DirectAgent, home: Path, env):
    agent.faults[At.OPENING] = Fault.SILENCE
    async with at_terminal(env, "enroll", agent.offer().encode()) as user:
        await agent.misbehaved.wait()
        user.press("\x03")
        assert await user.ended() == 5
        assert "not enrolled" in user.screen
    assert stored(home) == ()


async def test_forgetting_asks(agent: DirectAgent, record: Record, home: Path, env):
    async with at_terminal(env, "forget", "web1") as user:
        await user.see("[y/N]: ")
        user.press("\n")
        assert await user.ended() == 1
    assert stored(home) == (record,)
    async with at_terminal(env, "forget", "web1") as user:
        await user.see("Forget web1 (alice)?")
        user.press("y\n")
        assert await user.ended() == 0
    assert files(home) == []


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


# ---- without a terminal --------------------------------------------------------------------------


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


async def test_enrolment_by_a_script(agent: DirectAgent, home: Path, env):
    wrapped = "\n".join(textwrap.wrap(agent.offer().encode(), 40))
    done = await run(env, "enroll", "-", "--yes", stdin=wrapped)
    assert done.returncode == 0, err(done)
    assert f"6 digits: {agent.devices[0].compare}" in " ".join(out(done).split())
    assert stored(home)[0].state is State.ACTIVE
    assert agent.proofs[0].decision is not None
    assert agent.proofs[0].decision.user_verification is UserVerification.NONE
    waiting = agent.ask()
    done = await run(env, "sign-on", "", waiting.passcode, "--approve")
    assert done.returncode == 0


async def test_enrolment_without_a_terminal_needs_yes(agent: DirectAgent, env):
    done = await run(env, "enroll", agent.offer().encode())
    assert done.returncode == 2
    assert "--yes" in err(done)
    done = await run(env, "enroll", "--yes")
    assert done.returncode == 2
    assert "give the enrolment code, or -" in err(done)
    assert agent.openings == []


async def test_an_expired_offer_is_refused_before_connecting(agent: DirectAgent, env):
    done = await run(env, "enroll", "--yes", agent.offer(lifetime=-1).encode())
    assert done.returncode == 2
    assert "too old" in err(done)
    assert agent.openings == []


@pytest.mark.parametrize("damage", ["http://example.net", "bartizan:aaaa", "bartizan:é", ""])
async def test_what_is_no_code_is_refused_without_repeating_it(env, damage: str):
    done = await run(env, "enroll", "--yes", damage)
    assert done.returncode == 2
    assert "Nothing was sent" in err(done)
    assert not damage or damage not in err(done)


async def test_an_offer_with_a_relay_that_is_none(agent: DirectAgent, env):
    offer = agent.offer(relays=("relay.example.net",))
    done = await run(env, "enroll", "--yes", offer.encode())
    assert done.returncode == 2
    assert "relay.example.net" in err(done)


async def test_an_offer_with_a_key_that_is_none(agent: DirectAgent, env):
    offer = replace(agent.offer(), agent_public=bytes(32))
    done = await run(env, "enroll", "--yes", offer.encode())
    assert done.returncode == 2
    assert "key" in err(done)


async def test_an_offer_that_was_used(agent: DirectAgent, home: Path, env):
    uri = agent.offer().encode()
    assert (await run(env, "enroll", "--yes", uri)).returncode == 0
    done = await run(env, "enroll", "--yes", uri)
    assert done.returncode == 3
    assert "does not have this offer" in out(done)
    assert len(stored(home)) == 1


async def test_an_offer_whose_relay_is_out_of_reach(agent: DirectAgent, home: Path, env):
    offer = agent.offer(relays=("127.0.0.1:1",))
    done = await run(env, "enroll", "--yes", offer.encode())
    assert done.returncode == 4
    assert stored(home) == ()


async def test_a_host_without_a_name(home: Path, env):
    async with direct_agent(host="\u200b") as agent:
        done = await run(env, "enroll", "--yes", agent.offer().encode())
    assert done.returncode == 1
    assert "does not say its name" in out(done)
    assert stored(home) == ()


async def test_a_label_that_belongs_to_another_key_is_refused(
    agent: DirectAgent, record: Record, home: Path, env
):
    async with direct_agent(host="web1", user="mallory") as impostor:
        done = await run(env, "enroll", "--yes", impostor.offer().encode())
        assert done.returncode == 1
        assert "another key" in out(done)
        assert impostor.proofs[0].decision is None
    assert stored(home) == (record,)


async def test_enrolling_again_replaces_the_old_enrolment(
    agent: DirectAgent, record: Record, home: Path, env
):
    done = await run(env, "enroll", "--yes", agent.offer().encode())
    assert done.returncode == 0
    (newer,) = stored(home)
    assert newer.record_id != record.record_id
    assert files(home) == [f"{newer.record_id}.enrolment", f"{newer.record_id}.lock"]


async def test_an_old_enrolment_in_use_is_kept_and_the_new_one_counts(
    agent: DirectAgent, record: Record, home: Path, env
):
    put(home, replace(record, enrolled_at=record.enrolled_at - 60))
    with KeyStore(home) as store, store.locked(record.record_id, 0, lambda: None):
        done = await run(env, "enroll", "--yes", agent.offer().encode())
    assert done.returncode == 0
    assert "was kept beside this one" in err(done)
    assert len(stored(home)) == 2
    done = await run(env, "sign-on", "web1", agent.ask().passcode, "--approve")
    assert done.returncode == 0


async def test_an_enrolment_whose_receipt_is_lost_is_kept_and_works(
    agent: DirectAgent, home: Path, env
):
    agent.faults[At.RECEIPT] = Fault.RESET
    done = await run(env, "enroll", "--yes", agent.offer().encode())
    assert done.returncode == 5
    assert "outcome is unknown" in out(done)
    assert stored(home)[0].state is State.UNPROVED
    listed = await run(env, "hosts")
    assert "not proved" in out(listed)
    agent.faults.clear()
    done = await run(env, "sign-on", "web1", agent.ask().passcode, "--approve")
    assert done.returncode == 0
    assert stored(home)[0].state is State.ACTIVE


# ---- the key store -------------------------------------------------------------------------------


async def test_hosts(agent: DirectAgent, record: Record, home: Path, env):
    done = await run(env, "hosts", "--json")
    assert done.returncode == 0
    assert json.loads(out(done)) == [
        {
            "host": "web1",
            "user": "alice",
            "device": "laptop",
            "enrolled_at": record.enrolled_at,
            "last_used": None,
            "generation": 0,
            "state": "active",
        }
    ]
    await run(env, "sign-on", "web1", agent.ask().passcode, "--approve")
    (listed,) = json.loads(out(await run(env, "hosts", "--json")))
    assert listed["generation"] == 1
    assert abs(listed["last_used"] - time.time()) < 60
    assert "web1 (alice)" in out(await run(env, "hosts"))


async def test_nothing_is_enrolled(env):
    done = await run(env, "hosts")
    assert done.returncode == 0
    assert "No host is enrolled" in out(done)
    done = await run(env, "sign-on", "web1", passcode.generate(), "--approve")
    assert done.returncode == 2
    assert "bartizan enroll" in err(done)


async def test_forget_by_a_script(agent: DirectAgent, record: Record, home: Path, env):
    assert (await run(env, "forget", "web1")).returncode == 2
    assert stored(home) == (record,)
    assert (await run(env, "forget", "web1", "--yes")).returncode == 0
    assert stored(home) == ()
    assert (await run(env, "forget", "web1", "--yes")).returncode == 2


@pytest.mark.parametrize("command", [["hosts"], ["sign-on", "web1", "49217734", "--approve"]])
async def test_a_store_open_to_others_is_refused(
    agent: DirectAgent, record: Record, home: Path, env, command: list[str]
):
    os.chmod(home, 0o755)
    done = await run(env, *command)
    assert done.returncode == 7
    assert str(home) in err(done)
    assert "chmod" in err(done)
    assert agent.openings == []


async def test_a_damaged_record_is_named_and_others_still_work(
    agent: DirectAgent, record: Record, home: Path, env
):
    async with direct_agent(host="db") as other:
        put(home, pair(other))
        file = home / f"{record.record_id}.enrolment"
        file.write_bytes(b"damaged")
        listed = await run(env, "hosts")
        assert listed.returncode == 7
        assert "db (alice)" in out(listed)
        assert file.name in err(listed)
        assert (await run(env, "sign-on", "web1", "49217734", "--approve")).returncode == 7
        done = await run(env, "sign-on", "db", other.ask().passcode, "--approve")
        assert done.returncode == 0
        assert file.name in err(done)


async def test_a_full_store_is_told_and_the_sign_on_counts(
    agent: DirectAgent, record: Record, home: Path, env
):
    blocker = home / f"{record.record_id}.tmp"
    blocker.mkdir()  # in the way of the temporary file, also for root
    waiting = agent.ask()
    done = await run(env, "sign-on", "web1", waiting.passcode, "--approve")
    await waiting.ended.wait()
    assert done.returncode == 0
    assert "could not be stored" in out(done)
    assert not waiting.confirmed
    blocker.rmdir()
    assert (await run(env, "sign-on", "web1", agent.ask().passcode, "--approve")).returncode == 0


async def test_overlapping_sign_ons_take_turns(agent: DirectAgent, record: Record, env):
    first, second = agent.ask(), agent.ask()
    agent.context_gate = trio.Event()
    results: dict[str, CompletedProcess[bytes]] = {}

    async def sign_on(name: str, waiting: Waiting, *more: str) -> None:
        results[name] = await run(env, "sign-on", "web1", waiting.passcode, "--approve", *more)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sign_on, "first", first)
        await first.matched.wait()
        await sign_on("impatient", second, "--wait", "0.1")
        nursery.start_soon(sign_on, "second", second)
        with trio.move_on_after(0.5):
            await second.matched.wait()
        assert not second.matched.is_set()
        agent.context_gate.set()
    assert results["impatient"].returncode == 5
    assert "has not ended" in err(results["impatient"])
    assert results["first"].returncode == results["second"].returncode == 0
    assert "Another sign-on at web1 is under way" in err(results["second"])
    assert first.confirmed
    assert second.confirmed
    assert not agent.devices[0].disabled


async def test_a_device_that_was_disabled_meanwhile_sends_nothing(
    agent: DirectAgent, record: Record, home: Path, env
):
    with KeyStore(home) as store, ExitStack() as stack:
        lock = store.locked(record.record_id, 0, lambda: None)
        locked = stack.enter_context(lock)
        async with at_terminal(env, "sign-on", "web1", agent.ask().passcode) as user:
            await user.see("Another sign-on at web1 is under way")
            locked.write(record.disabled())
            stack.close()
            assert await user.ended() == 6
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


async def test_an_old_copy_of_the_store_is_found_out(
    agent: DirectAgent, record: Record, home: Path, tmp_path: Path, env
):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    stolen: Mapping[str, str] = environment(copy)
    for _ in range(2):
        waiting = agent.ask()
        assert (await run(env, "sign-on", "web1", waiting.passcode, "--approve")).returncode == 0
        await waiting.ended.wait()
    waiting = agent.ask()
    done = await run(stolen, "sign-on", "web1", waiting.passcode, "--approve")
    assert done.returncode == 6
    text = " ".join(out(done).split())
    for words in ("has disabled this device", "old copy", "tell the administrator", "nobody"):
        assert words in text
    assert agent.devices[0].disabled
    (listed,) = json.loads(out(await run(stolen, "hosts", "--json")))
    assert listed["state"] == "disabled"
    before = len(agent.openings)
    done = await run(stolen, "sign-on", "web1", "--approve")  # and no passcode is asked for
    assert done.returncode == 6
    assert len(agent.openings) == before
    # The honest device learns of it as well, at its next sign-on.
    done = await run(env, "sign-on", "web1", agent.ask().passcode, "--approve")
    assert done.returncode == 6


async def test_a_locale_without_letters_does_not_stop_a_sign_on(
    agent: DirectAgent, record: Record, env
):
    ascii_only = dict(env) | {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    waiting = agent.ask(note="Größe 漢")
    done = await run(ascii_only, "sign-on", "web1", waiting.passcode, "--approve")
    assert done.returncode == 0


async def test_sigint_without_a_terminal(agent: DirectAgent, record: Record, env):
    agent.faults[At.ACCEPT] = Fault.SILENCE
    process = await trio.lowlevel.open_process(
        [*PROGRAM, "sign-on", "web1", agent.ask().passcode, "--approve"], env=env
    )
    await agent.misbehaved.wait()
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 5


@pytest.mark.parametrize("arguments", [[], ["--help"], ["sign-on", "--help"], ["--version"]])
async def test_help(env, arguments: list[str]):
    done = await run(env, *arguments)
    assert done.returncode == (0 if arguments else 2)
    assert b"bartizan" in done.stdout + done.stderr
