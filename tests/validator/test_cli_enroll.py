"""`bartizan enroll`, with and without a terminal."""

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.enrolment import SCHEME
from protocol.signon_messages import UserVerification
from tests.support.direct_agent import At, DirectAgent, Fault, direct_agent
from tests.validator.command_line import err, files, out, put, stored
from tests.validator.terminal_user import at_terminal, run
from validator.keystore import KeyStore
from validator.record import Record, State


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
