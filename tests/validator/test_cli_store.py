"""The key store as the commands use it."""

import json
import os
import time
from pathlib import Path

import pytest

from protocol import passcode
from tests.support.direct_agent import DirectAgent, direct_agent
from tests.validator.command_line import err, files, out, put, stored
from tests.validator.pairs import pair
from tests.validator.terminal_user import at_terminal, run
from validator.record import Record


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
            "pin": False,
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
