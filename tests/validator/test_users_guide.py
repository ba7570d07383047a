"""The users' guide shows the screens that there are, and explains every end."""

import re
from pathlib import Path

import pytest

from tests.support.direct_agent import direct_agent
from tests.validator.command_line import put
from tests.validator.pairs import pair
from tests.validator.terminal_user import TerminalUser, at_terminal, environment
from validator.endings import Ending, ending_lines
from validator.outcomes import Outcome
from validator.record import Record

GUIDE = (Path(__file__).parents[2] / "docs" / "users.md").read_text()
SCREENS = re.findall(r"^```screen\n(.*?)^```$", GUIDE, re.M | re.S)
VARYING = (
    (r"^\$ bartizan.*\n", ""),
    (r"bartizan:\S+", "CODE"),
    (r"[\d-]{10} [\d:]{8} \w+", "TIME"),
    (r"(Sign-on id\s+)\w+", r"\1ID"),
    (r"\b\d{6}\b|\b\d{8}\b", "DIGITS"),
    (r" +$", ""),
)


def fixed(screen: str) -> str:
    """Without what is another time another."""
    for pattern, instead in VARYING:
        screen = re.sub(pattern, instead, screen, flags=re.M)
    return screen


async def typed(user: TerminalUser, *answers: tuple[str, str]) -> str:
    for question, answer in answers:
        await user.see(question)
        user.press(answer)
    await user.ended()
    return fixed(user.screen)


async def test_the_screens_are_real(home: Path):
    env = environment(home, TZ="UTC")
    enrol, sign_on, new_pin, wrong_pin = map(fixed, SCREENS)
    async with direct_agent(host="web1", user="ada") as agent:
        code = agent.offer().encode() + "\n"
        async with at_terminal(env, "enroll") as user:
            assert enrol in await typed(user, ("Code: ", code), ("(Enter means no) ", "y"))
        waiting = agent.ask(remote_address="192.0.2.1", tty="ssh", first_factor="publickey")
        async with at_terminal(env, "sign-on", "web1") as user:
            shown = waiting.passcode + "\n"
            assert sign_on in await typed(user, ("shows: ", shown), ("(Enter denies) ", "a"))
        waiting = agent.ask()
        pin = "271828\n"
        async with at_terminal(env, "pin", "web1") as user:
            assert new_pin in await typed(
                user,
                ("New PIN: ", pin),
                ("Once more: ", pin),
                ("shows: ", waiting.passcode + "\n"),
                ("(Enter denies) ", "d"),
            )
        async with at_terminal(env, "sign-on", "web1", agent.ask().passcode) as user:
            assert wrong_pin in await typed(user, ("PIN for web1 (ada): ", "314159\n"))


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_is_explained(outcome: Outcome):
    first = ending_lines(Ending(outcome, "web1", "ada"), 200)[0].text
    explained = re.findall(r"^\| ([^|]+) \|", GUIDE, re.M)
    assert any(first.startswith(said) for said in explained), first


async def test_the_qr_code_in_it_is_one(home: Path):
    (example,) = re.findall(r"bartizan sign-on (BARTIZAN-SIGNON:\S+)`", GUIDE)
    async with direct_agent(host="web1", user="ada") as agent:
        record: Record = pair(agent)
        put(home, record)
        async with at_terminal(environment(home), "sign-on", example) as user:
            await user.see("Looking for the sign-on of ada at web1 ...")
            assert await user.ended() == 3
