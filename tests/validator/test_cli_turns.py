"""Several sign-ons of one device, and a device that has been copied."""

import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import trio

from tests.support.direct_agent import DirectAgent, Waiting
from tests.validator.command_line import err, out
from tests.validator.terminal_user import at_terminal, environment, run
from validator.keystore import KeyStore
from validator.record import Record


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
        command = ("sign-on", "web1", second.passcode, "--approve")
        async with at_terminal(env, *command) as user:
            await user.see("Another sign-on at web1 is under way")
            assert not second.matched.is_set()
            agent.context_gate.set()
            assert await user.ended() == 0
    assert results["impatient"].returncode == 5
    assert "has not ended" in err(results["impatient"])
    assert results["first"].returncode == 0
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
