"""`bartizan respond` and `bartizan ticket`: neither needs a network, and no host runs here."""

import fcntl
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from protocol import offline, ticket
from protocol.ratchet import Generation
from protocol.sign_on_uri import encode
from tests.validator.command_line import err, mistyped, out, put, stored
from tests.validator.pairs import record
from tests.validator.terminal_user import at_terminal, run
from validator.pin import Pad, Pin
from validator.record import Record, State

PASSCODE = "49217734"
TICKET = re.compile(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}\n")


def made(of: Record, counter: int, service: str = "postgresql") -> str:
    number = of.generation.number
    key = offline.offline_key(of.ratchet_root)
    locator = ticket.locator(of.rendezvous_root, number, counter, service)
    return ticket.display(locator + ticket.proof(key, number, counter, service)) + "\n"


def response(of: Record) -> str:
    key = offline.offline_key(of.ratchet_root)
    return offline.display(offline.response(key, PASSCODE)) + "\n"


@pytest.fixture
def web1(home: Path) -> Record:
    enrolled = record("web1", "alice", generation=Generation(3, b"\x05" * 32))
    put(home, enrolled)
    return enrolled


def under_pin(home: Path, of: Record, digits: str) -> Record:
    pad = Pad.new(Pin.chosen(digits))
    after = replace(of, pin_salt=pad.salt, pad=pad)
    put(home, after)
    return after


# ---- responses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("web1", PASSCODE),
        ("web1", "4921", "7734"),
        ("we", "4921-7734"),
        (encode("web1", PASSCODE),),
    ],
)
async def test_a_response(web1: Record, home: Path, env, arguments: tuple[str, ...]):
    done = await run(env, "respond", *arguments)
    assert done.returncode == 0
    assert out(done) == response(web1)
    assert "Response to the passcode 4921 7734 of web1, as alice:" in err(done)
    assert stored(home) == (web1,)


async def test_a_response_at_a_terminal(web1: Record, env):
    async with at_terminal(env, "respond", "web1") as user:
        await user.see("Passcode that web1 shows")
        user.press(mistyped(PASSCODE) + "\n")
        await user.see("Mistyped: ")
        await user.see("Passcode that web1 shows")
        user.press("4921 7734\n")
        await user.see(response(web1))
        await user.see("if you began that sign-on")
        assert await user.ended() == 0


async def test_a_response_does_not_wait_for_a_sign_on(web1: Record, home: Path, env):
    """One that waits for a network has the lock."""
    lock = os.open(home / f"{web1.record_id}.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert out(await run(env, "respond", "web1", PASSCODE)) == response(web1)
        done = await run(env, "ticket", "postgresql@web1", "--wait", "0")
        assert done.returncode == 5
        assert out(done) == ""
    finally:
        os.close(lock)
    assert stored(home) == (web1,)


async def test_a_mistyped_passcode_gives_no_response(web1: Record, env):
    done = await run(env, "respond", "web1", mistyped(PASSCODE))
    assert done.returncode == 2
    assert "mistyped" in err(done)
    assert out(done) == ""


# ---- tickets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "service"), [("postgresql@web1", "postgresql"), ("Dovecot@we", "dovecot")]
)
async def test_each_ticket_is_another_and_is_counted(
    web1: Record, home: Path, env, place: str, service: str
):
    for counter in range(3):
        done = await run(env, "ticket", place)
        assert done.returncode == 0
        assert out(done) == made(web1, counter, service)
        assert TICKET.fullmatch(out(done))
        assert f"Ticket for {service} at web1, as alice:" in err(done)
        assert stored(home) == (replace(web1, ticket_counter=counter + 1),)


async def test_a_ticket_that_cannot_be_counted_is_not_shown(web1: Record, home: Path, env):
    """A folder in the way of the temporary file: as a full disk, but for root too."""
    (home / f"{web1.record_id}.tmp").mkdir()
    done = await run(env, "ticket", "postgresql@web1")
    assert done.returncode == 7
    assert out(done) == ""
    assert stored(home) == (web1,)


@pytest.mark.parametrize(("counter", "warned"), [(31, False), (32, True)])
async def test_many_tickets_without_a_sign_on(
    web1: Record, home: Path, env, counter: int, warned: bool
):
    put(home, replace(web1, ticket_counter=counter))
    done = await run(env, "ticket", "postgresql@web1")
    assert out(done) == made(web1, counter)
    assert ("it takes none any more" in err(done)) is warned


@pytest.mark.parametrize(
    "place", ["postgresql", "@web1", " @web1", "x" * 65 + "@web1", "a/b@web1", "a\u202eb@web1"]
)
async def test_what_names_no_service(web1: Record, home: Path, env, place: str):
    done = await run(env, "ticket", place)
    assert done.returncode == 2
    assert "service" in err(done).lower()
    assert stored(home) == (web1,)


# ---- both ----------------------------------------------------------------------------------------

BOTH = [["respond", "web1", PASSCODE], ["ticket", "postgresql@web1"]]


@pytest.mark.parametrize("command", BOTH)
async def test_a_disabled_device_makes_no_codes(web1: Record, home: Path, env, command: list[str]):
    put(home, replace(web1, state=State.DISABLED))
    done = await run(env, *command)
    assert done.returncode == 2
    assert "has disabled this device" in err(done)
    assert out(done) == ""


@pytest.mark.parametrize("command", BOTH)
async def test_which_of_several_users(web1: Record, home: Path, env, command: list[str]):
    other = record("web1", "bob")
    put(home, other)
    done = await run(env, *command)
    assert done.returncode == 2
    assert "web1 (alice), web1 (bob)" in err(done)
    done = await run(env, *command, "--user", "bob")
    assert out(done) in (response(other), made(other, 0))
    async with at_terminal(env, *command) as user:
        await user.see("Which one")
        user.press("2\n")
        assert await user.ended() == 0
        assert response(other) in user.screen or made(other, 1) in user.screen


@pytest.mark.parametrize("command", BOTH)
async def test_under_a_pin(web1: Record, home: Path, env, command: list[str]):
    locked = under_pin(home, web1, "280194")
    done = await run(env, *command)
    assert done.returncode == 2
    assert "no terminal to type the PIN on" in err(done)
    assert stored(home)[0].ticket_counter == 0
    async with at_terminal(env, *command) as user:
        await user.see("PIN for web1 (alice): ")
        user.press("280194\n")
        await user.see(response(locked) if command[0] == "respond" else made(locked, 0))
        await user.see("only web1 can tell")
        assert await user.ended() == 0
        assert "280194" not in user.screen
    async with at_terminal(env, *command) as user:
        await user.see("PIN for web1 (alice): ")
        user.press("280195\n")
        assert await user.ended() == 0
        assert response(locked) not in user.screen
        assert made(locked, 1) not in user.screen
        if command[0] == "ticket":  # the locator is right nevertheless: that is how the host counts
            assert made(locked, 1)[:6] in user.screen
    assert stored(home)[0].ticket_counter == (2 if command[0] == "ticket" else 0)
