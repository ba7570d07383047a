"""PINs at the terminal: chosen, asked for, wrong, changed, removed; and nowhere to be seen."""

from pathlib import Path

import pytest
import trio

from protocol.signon_messages import SignOnOutcome, UserVerification, Verdict
from tests.support.direct_agent import At, DirectAgent, Fault
from tests.validator.command_line import QUESTION, err, put, stored
from tests.validator.pairs import pair
from tests.validator.terminal_user import PATIENCE, TerminalUser, at_terminal, run
from validator.pin import Pad, Pin
from validator.record import Record, State

RIGHT, WRONG, NEXT = "271828", "314159", "141421"
PAD = Pad.of(Pin(RIGHT), b"s" * 16)
ASKED = "PIN for web1 (alice): "


@pytest.fixture
def record(agent: DirectAgent, home: Path) -> Record:
    """An enrolled device whose record is under a PIN."""
    bare = pair(agent)
    enrolled = Record(**{**vars(bare), "pin_salt": PAD.salt, "pad": PAD})
    put(home, enrolled)
    return enrolled


async def types(user: TerminalUser, question: str, pin: str) -> None:
    """Waits for the question, and sees that nothing of the answer is shown."""
    await user.see(question)
    assert not user.echoes
    user.press(pin + "\n")


def opens(home: Path, pin: str) -> bytes:
    """What a PIN makes of the root in the store."""
    (record,) = stored(home)
    return record.unlocked(Pad.of(Pin(pin), record.pin_salt)).ratchet_root


def content(home: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in home.iterdir()}


async def test_enrolled_with_a_pin_and_signed_on(agent: DirectAgent, home: Path, env):
    async with at_terminal(env, "enroll", "--pin", agent.offer().encode()) as user:
        await types(user, "New PIN: ", "1234")
        await user.see("Not taken: a PIN has 6 to 12 digits.")
        await types(user, "New PIN: ", "123456")
        await user.see("Not taken: this PIN is a simple pattern")
        await types(user, "New PIN: ", RIGHT)
        await types(user, "Once more: ", WRONG)
        await user.see("These were two different PINs.")
        assert agent.openings == []
        await types(user, "New PIN: ", RIGHT)
        await types(user, "Once more: ", RIGHT)
        await user.see("(Enter means no) ")
        (unproved,) = stored(home)
        assert unproved.under_pin  # from the first write on
        user.press("y")
        assert await user.ended() == 0
        for pin in (RIGHT, WRONG, "123456"):
            assert pin not in user.screen
    assert opens(home, RIGHT) == agent.devices[0].ratchet.current.root

    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await types(user, ASKED, RIGHT)
        await user.see(QUESTION)
        user.press("a")
        assert await user.ended() == 0
        assert user.echoes
    assert waiting.confirmed
    assert waiting.decision is not None
    assert waiting.decision.user_verification is UserVerification.PIN
    assert opens(home, RIGHT) == agent.devices[0].ratchet.current.root


async def test_a_script_approves_and_a_person_types_the_pin(
    agent: DirectAgent, record: Record, env
):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode, "--approve") as user:
        await types(user, ASKED, RIGHT)
        assert await user.ended() == 0
    assert waiting.decision is not None
    assert waiting.decision.user_verification is UserVerification.PIN


async def test_a_wrong_pin_looks_like_no_such_sign_on_and_both_are_named(
    agent: DirectAgent, record: Record, home: Path, env, tmp_path: Path
):
    before = content(home)
    waiting = agent.ask()
    log = tmp_path / "log"
    command = ("sign-on", "web1", waiting.passcode, "--approve", "--log-json", str(log))
    async with at_terminal(env, *command) as user:
        await types(user, ASKED, WRONG)
        assert await user.ended() == 3
        said = " ".join(user.screen.split())
    for words in (
        "No such sign-on at web1, or the PIN was wrong",
        "may be fake",
        "10 in a row disable this device",
        "30 s",
        "bartizan enroll --pin",
    ):
        assert words in said
    assert WRONG not in log.read_text()
    # Nothing on the device has changed: not a byte says that a PIN was tried, or which.
    assert content(home) == before
    async with at_terminal(env, "sign-on", "web1", waiting.passcode, "--approve") as user:
        await types(user, ASKED, RIGHT)
        assert await user.ended() == 0


async def test_without_a_terminal_nothing_is_sent(agent: DirectAgent, record: Record, env):
    done = await run(env, "sign-on", "web1", agent.ask().passcode, "--approve", stdin=RIGHT)
    assert done.returncode == 2
    assert "no terminal to type the PIN on" in err(done)
    assert agent.openings == []


@pytest.mark.parametrize("key", ["\x03", "\x04"])
async def test_left_at_the_pin(agent: DirectAgent, record: Record, env, key: str):
    async with at_terminal(env, "sign-on", "web1", agent.ask().passcode) as user:
        await user.see(ASKED)
        assert await user.insist(key) == 5
        assert "Given up: nothing was sent" in user.screen
        assert user.echoes
    assert agent.openings == []


async def test_a_terminal_that_goes_away_at_the_pin(agent: DirectAgent, record: Record, env):
    async with at_terminal(env, "sign-on", "web1", agent.ask().passcode, nohup=True) as user:
        await user.see(ASKED)
        user.hang_up()
        with trio.fail_after(PATIENCE):
            assert await user.process.wait() == 5
    assert agent.openings == []


async def changes(user: TerminalUser, passcode: str, *, key: str = "a") -> int:
    """Types the new PIN, the passcode, the old PIN, and decides."""
    await types(user, "New PIN: ", NEXT)
    await types(user, "Once more: ", NEXT)
    await user.see("begin one at web1 now, as alice")
    await user.see("Passcode that web1 shows: ")
    user.press(passcode + "\n")
    await types(user, ASKED, RIGHT)
    await user.see(QUESTION)
    user.press(key)
    return await user.ended()


@pytest.mark.parametrize("key", ["a", "d"])
async def test_changed_with_a_sign_on(
    agent: DirectAgent, record: Record, home: Path, env, key: str
):
    waiting = agent.ask()
    async with at_terminal(env, "pin", "web1") as user:
        assert await changes(user, waiting.passcode, key=key) == 0
        assert "The enrolment at web1 is under the new PIN from now on." in user.screen
    assert waiting.confirmed
    assert opens(home, NEXT) == agent.devices[0].ratchet.current.root
    assert opens(home, RIGHT) != agent.devices[0].ratchet.current.root


async def test_without_receipt_the_old_pin_stays(
    agent: DirectAgent, record: Record, home: Path, env
):
    before = stored(home)
    agent.faults[At.RECEIPT] = Fault.RESET
    async with at_terminal(env, "pin", "web1") as user:
        assert await changes(user, agent.ask().passcode) == 5
        said = " ".join(user.screen.split())
        assert "The PIN was not changed: the enrolment at web1 is still under the PIN" in said
    assert stored(home) == before


async def test_a_host_that_disables_the_device_changes_no_pin(
    agent: DirectAgent, record: Record, home: Path, env
):
    """No new root, so no new pad: see validator/pin.py."""
    agent.devices[0].disabled = True
    async with at_terminal(env, "pin", "web1") as user:
        assert await changes(user, agent.ask().passcode) == 6
        assert "The PIN was not changed" in user.screen
    (kept,) = stored(home)
    assert kept.state is State.DISABLED
    assert opens(home, RIGHT) == record.ratchet_root
    async with at_terminal(env, "pin", "web1") as user:
        assert await user.ended() == 6
        assert "New PIN" not in user.screen


async def test_a_full_disk_changes_no_pin(agent: DirectAgent, record: Record, home: Path, env):
    (home / f"{record.record_id}.tmp").mkdir()
    async with at_terminal(env, "pin", "web1") as user:
        assert await changes(user, agent.ask().passcode) == 7
        assert "The PIN was not changed" in user.screen
    assert opens(home, RIGHT) == record.ratchet_root


async def test_removed_and_set_again(agent: DirectAgent, record: Record, home: Path, env):
    async with at_terminal(env, "pin", "--remove", "web1", agent.ask().passcode) as user:
        await types(user, ASKED, RIGHT)
        await user.see(QUESTION)
        user.press("a")
        assert await user.ended() == 0
        assert "has no PIN any more" in user.screen
    (bare,) = stored(home)
    assert bare.ratchet_root == agent.devices[0].ratchet.current.root
    done = await run(env, "sign-on", "web1", agent.ask().passcode, "--approve")
    assert done.returncode == 0
    async with at_terminal(env, "pin", "--remove", "web1") as user:
        assert await user.ended() == 2
        assert "has no PIN" in user.screen
    async with at_terminal(env, "pin", "web1", agent.ask().passcode) as user:
        await types(user, "New PIN: ", NEXT)
        await types(user, "Once more: ", NEXT)
        await user.see(QUESTION)
        user.press("d")
        assert await user.ended() == 0
    assert opens(home, NEXT) == agent.devices[0].ratchet.current.root


async def test_a_pin_needs_a_terminal_to_be_changed(agent: DirectAgent, record: Record, env):
    done = await run(env, "pin", "web1", agent.ask().passcode)
    assert done.returncode == 2
    assert "no terminal" in err(done)
    assert agent.openings == []


async def test_an_enrolment_that_replaces_one_with_a_pin_says_so(
    agent: DirectAgent, record: Record, env
):
    async with at_terminal(env, "enroll", "--yes", agent.offer().encode()) as user:
        assert await user.ended() == 0
        said = " ".join(user.screen.split())
        assert "had a PIN, and this one has none. To set one: bartizan pin web1" in said


async def test_whether_there_is_a_pin_is_listed(agent: DirectAgent, record: Record, env):
    listed = (await run(env, "hosts")).stdout.decode()
    assert "  PIN              asked for\n" in listed
    assert '"pin": true' in (await run(env, "hosts", "--json")).stdout.decode()


async def test_a_denial_with_a_pin(agent: DirectAgent, record: Record, env):
    waiting = agent.ask(outcome=SignOnOutcome.REFUSED)
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await types(user, ASKED, RIGHT)
        await user.see(QUESTION)
        user.press("r")
        assert await user.ended() == 1
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.REPORT
    assert waiting.decision.user_verification is UserVerification.PIN
