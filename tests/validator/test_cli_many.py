"""A new device in the place of an old one: export, and many codes in one command."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.direct_agent import At, DirectAgent, Fault, direct_agent
from tests.validator.command_line import err, out, put, stored
from tests.validator.pairs import pair
from tests.validator.terminal_user import at_terminal, run
from validator.record import Record, State

PIN = "271828"


@pytest.fixture
async def hosts():
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(direct_agent(host=name))
            for name in ("web1", "web2", "db")
        ]


def codes(hosts: list[DirectAgent]) -> list[str]:
    return [agent.offer().encode() for agent in hosts]


async def test_several_codes_in_one_command(hosts: list[DirectAgent], home: Path, env):
    done = await run(env, "enroll", "--yes", *codes(hosts))
    assert done.returncode == 0
    assert "Enrolled at all 3 hosts." in out(done)
    assert {record.host for record in stored(home)} == {"web1", "web2", "db"}
    for agent in hosts:
        done = await run(env, "sign-on", agent.host, agent.ask().passcode, "--approve")
        assert done.returncode == 0


async def test_codes_from_standard_input_and_from_a_file(
    hosts: list[DirectAgent], home: Path, env, tmp_path: Path
):
    first, second, third = codes(hosts)
    wrapped = f"{first}\n\n{second[:50]}\n{second[50:]}\n"
    file = tmp_path / "codes"
    file.write_text(third.upper())
    done = await run(env, "enroll", "--yes", "--codes", str(file), "-", stdin=wrapped)
    assert done.returncode == 0, err(done)
    assert len(stored(home)) == 3


async def test_one_pin_for_all_and_a_salt_for_each(
    hosts: list[DirectAgent], home: Path, env, tmp_path: Path
):
    file = tmp_path / "codes"
    file.write_text("\n".join(codes(hosts)))
    async with at_terminal(env, "enroll", "--pin", "--codes", str(file)) as user:
        for question in ("New PIN: ", "Once more: "):
            await user.see(question)
            user.press(PIN + "\n")
        for agent in hosts:
            await user.see(f"Enrol this device for alice at {agent.host}?")
            await user.see("(Enter means no) ")
            user.press("y")
        assert await user.ended() == 0
        assert "Enrolled at all 3 hosts." in user.screen
    assert len({record.pin_salt for record in stored(home)}) == 3


async def test_a_mistyped_one_is_named_and_nothing_is_sent(hosts: list[DirectAgent], env):
    first, second, third = codes(hosts)
    done = await run(env, "enroll", "--yes", "-", stdin="\n".join((first, second[:-8], third)))
    assert done.returncode == 2
    assert "code 2: the code is incomplete or mistyped. Nothing was sent." in err(done)
    assert all(agent.openings == [] for agent in hosts)


async def test_one_that_leads_to_nothing_does_not_cost_the_others(
    hosts: list[DirectAgent], home: Path, env
):
    first, _, third = codes(hosts)
    old = hosts[1].offer(lifetime=-1).encode()
    used = hosts[1].offer().encode()
    assert (await run(env, "enroll", "--yes", used)).returncode == 0
    done = await run(env, "enroll", "--yes", first, old, used, third)
    assert done.returncode == 2
    assert "too old" in err(done)
    assert "Enrolled at 2 of 4 hosts. Not at: web2, web2." in " ".join(out(done).split())
    assert {record.host for record in stored(home)} == {"web1", "web2", "db"}


async def test_who_leaves_leaves_the_rest_too(hosts: list[DirectAgent], home: Path, env):
    async with at_terminal(env, "enroll", *codes(hosts)) as user:
        await user.see("(Enter means no) ")
        user.press("y")
        await user.see("alice at web2?")
        await user.see("(Enter means no) ")
        user.press("\x03")
        assert await user.ended() == 5
        assert "Enrolled at 1 of 3 hosts. Not at: web2, db." in user.screen
    assert hosts[2].openings == []


async def test_interrupted_in_the_middle(hosts: list[DirectAgent], home: Path, env):
    hosts[1].faults[At.OPENING] = Fault.SILENCE
    async with at_terminal(env, "enroll", "--yes", *codes(hosts)) as user:
        await hosts[1].misbehaved.wait()
        user.press("\x03")
        assert await user.ended() == 5
        assert "Enrolled at 1 of 3 hosts. Not at: web2, db." in user.screen
    assert hosts[2].openings == []
    assert [record.host for record in stored(home)] == ["web1"]


async def test_a_store_that_cannot_be_used_is_told_for_each(
    hosts: list[DirectAgent], home: Path, env
):
    async with direct_agent(host="web1", user="mallory") as impostor:
        put(home, pair(impostor))
        done = await run(env, "enroll", "--yes", *codes(hosts)[:2])
    assert done.returncode == 1
    assert "another key" in out(done)
    assert "Enrolled at 1 of 2 hosts. Not at: web1." in out(done)


async def test_a_file_that_cannot_be_read(env, tmp_path: Path):
    done = await run(env, "enroll", "--yes", "--codes", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "does not exist" in err(done)


async def test_export_names_what_to_enrol_for_and_no_secret(
    hosts: list[DirectAgent], home: Path, env
):
    records = [pair(agent) for agent in hosts]
    put(home, replace(records[2], state=State.DISABLED))
    for record in records[:2]:
        put(home, record)
    done = await run(env, "export")
    assert done.returncode == 0
    wanted = json.loads(out(done))
    assert [entry["host"] for entry in wanted] == ["db", "web1", "web2"]
    assert wanted[0] == {
        "host": "db",
        "user": "alice",
        "device": "laptop",
        "pin": False,
        "disabled": True,
    }
    for record in records:
        for secret in (record.static, record.rendezvous_root, record.generation.root):
            assert secret.hex() not in out(done)


async def test_export_names_what_it_cannot_read(record: Record, home: Path, env):
    (home / f"{record.record_id}.enrolment").write_bytes(b"damaged")
    done = await run(env, "export")
    assert done.returncode == 7
    assert json.loads(out(done)) == []
    assert record.record_id in err(done)


async def test_a_qr_code_in_place_of_host_and_passcode(agent: DirectAgent, record: Record, env):
    waiting = agent.ask()
    code = f"BARTIZAN-SIGNON:WEB1/{waiting.passcode}"
    done = await run(env, "sign-on", code, "--approve")
    assert done.returncode == 0, err(done)
    assert waiting.confirmed
    for arguments, words in (
        ((code, waiting.passcode), "holds the passcode"),
        (("bartizan-signon:web1/12345678",), "passcode is wrong"),
        ((f"bartizan-signon:web9/{waiting.passcode}",), "nothing enrolled fits web9"),
    ):
        done = await run(env, "sign-on", *arguments, "--approve")
        assert done.returncode == 2
        assert words in err(done)
