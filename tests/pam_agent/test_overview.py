"""`status` and `why`, asked of a real agent by the real command."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import trio

from daemons.troubles import Trouble
from pam_agent import report
from pam_agent.admin_client import ask
from pam_agent.admin_wire import Enroll, RelayStatus, ShowStatus, Status, Unknown, Why
from pam_agent.enrolment_events import Offered
from pam_agent.sign_ons import Kind, Stage, Story
from protocol.address import UnixAddress
from protocol.keys import Mode
from protocol.signon import ValidatorSignOn
from tests.support.patience import until
from tests.support.programs import BIN
from tests.support.together import QUICK_HOLD, Together, signs_on, timers, together
from validator.connection import RelayConnection


async def run(parts: Together, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `bartizan-agent`, as root."""
    config = parts.agent.config
    file = config.state.parent / "agent.toml"
    file.write_text(f'admin_socket = "{config.admin_socket}"\n')
    done = await trio.run_process(
        [str(BIN / "bartizan-agent"), *arguments, "--config", str(file)],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode()
    assert "Traceback" not in said, said
    return done.returncode, said


# ---- status --------------------------------------------------------------------------------------


async def test_a_status_for_people(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call() as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        async with parts.agent.call() as caller:
            await caller.passcode()
            code, said = await run(parts, "status")
    assert code == 0
    lines = said.splitlines()
    assert lines[0].startswith("bartizan-agent 0.")
    assert " at web1, up for " in lines[0]
    assert lines[1] == "sign-ons    1 waiting, 0 running; callers 1"
    assert lines[2] == "ended       approved 1"
    assert lines[3].startswith(f"store       {tmp_path}/state: 1 accounts, devices active 1; ")
    assert lines[4].startswith(f"relay       unix:{parts.relay.unix.path}  up for ")
    assert len(lines) == 5


async def test_a_status_for_programs(tmp_path: Path) -> None:
    async with (
        together(tmp_path) as parts,
        parts.agent.call() as caller,
        parts.phone.attempt(await caller.passcode()) as attempt,
    ):
        await attempt.context()
        code, said = await run(parts, "status", "--json")
        await attempt.decide()
        await caller.result()
    assert code == 0
    status, relay = [json.loads(line) for line in said.splitlines()]
    assert (status["type"], status["running"], status["waiting"]) == ("status", 1, 0)
    assert status["devices"] == {"active": 1, "disabled": 0, "not proved": 0}
    assert status["store_bytes"] > 0
    assert (relay["type"], relay["up"], relay["losses"]) == ("relay", True, 0)


async def test_a_relay_that_is_down_is_no_good_status(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        agent = parts.agent.agent
        gone = replace(agent.config.relays[0], link=UnixAddress(f"{tmp_path}/gone.sock"))
        agent.adopt(replace(agent.config, relays=(*agent.config.relays, gone)))
        (_, link) = agent.host.links
        await until(lambda: "No such file" in link.trouble)
        code, said = await run(parts, "status")
        assert code == 0, "one relay is enough"
        assert f"relay       unix:{tmp_path}/gone.sock  DOWN for " in said
        assert "No such file or directory" in said
        agent.adopt(replace(agent.config, relays=(gone,)))
        code, said = await run(parts, "status")
        assert (code, said.count("relay ")) == (1, 1)


async def test_a_link_that_was_lost_is_counted(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        (link,) = parts.agent.host.links
        link._end("a test wants it")
        await until(lambda: link.losses == 1 and link.protocol.up)
        _, said = await run(parts, "status")
        assert "lost 1 times, last: a test wants it" in said


async def test_a_store_that_fails_is_no_good_status(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        db = parts.agent.host.accounts.store.db
        db.execute("ALTER TABLE account RENAME TO gone")
        code, said = await run(parts, "status")
        db.execute("ALTER TABLE gone RENAME TO account")
    assert code == 1
    assert "store       " in said
    assert "agent.db: the database refused" in said


def test_troubles_and_a_refused_configuration_are_shown() -> None:
    status = Status("0.1", "web1", 0.0, 1, 2, 3, 4, {}, {"enrolled": 1}, 0, {}, "/s", 0, "", "no")
    lines = list(report.status_lines([status, Trouble(0.0, "error", "store failed")], 90_000.0))
    assert lines[0] == "bartizan-agent 0.1 at web1, up for 1 d"
    assert lines[1] == "configuration refused, the old one counts: no"
    assert lines[2] == "sign-ons    3 waiting, 3 running; callers 4"
    assert lines[3:5] == ["ended       none", "enrolments  enrolled 1"]
    assert lines[-2] == "last warnings and errors"
    assert lines[-1].endswith("  store failed")
    assert not report.is_well([status])
    relay = RelayStatus("a:1", True, 0.0, 0, 0, "")
    assert report.is_well([status, relay])
    assert not report.is_well([msgspec.structs.replace(status, store_trouble="x"), relay])


# ---- why -----------------------------------------------------------------------------------------


async def test_why_of_one_that_is_under_way_and_of_one_that_ended(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call(service="su", rhost="192.0.2.7", tty="pts/1") as caller:
            code = await caller.passcode()
            short_id = caller.shown[0][1].split()[2]
            exit_code, said = await run(parts, "why", short_id.upper())
            assert exit_code == 0
            assert said.splitlines()[:2] == [
                f"sign-on {short_id}: waiting",
                "  it waits for a device",
            ]
            await signs_on(parts, caller, code)
        await parts.ended("approved")
        exit_code, said = await run(parts, "why", short_id)
    assert exit_code == 0
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[:3] == [
        f"sign-on {short_id}: approved",
        "approved on a device, in time; the user was let in",
        "",
    ]
    assert "user alice" in lines
    assert "service su" in lines
    assert "from 192.0.2.7" in lines
    assert "terminal pts/1" in lines
    assert "asked by uid 0" in lines or "asked by uid" in said
    assert f"device {parts.phone.device_id} phone" in lines
    assert "verdict approve" in lines
    steps = [line.partition(" s ")[2] for line in lines if " s " in line][-7:]
    assert steps[0] == "queued at a relay"
    assert steps[-1] == "the device has its next key"


async def test_why_a_device_was_rejected(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD, timers=timers(validation=1.0)) as parts:
        async with parts.agent.call() as caller:
            machine = ValidatorSignOn(
                parts.phone.record.device_keys, Mode.PASSCODE, await caller.passcode()
            )
            h1 = machine.h1()
            damaged = h1[:-1] + bytes((h1[-1] ^ 1,))
            relay, shard = parts.phone.record.relays[0], parts.phone.record.shard
            async with await RelayConnection.open(relay) as connection:
                await connection.begin(shard, machine.tag, damaged)
                await caller.result()
        line = await parts.ended("expired")
        _, said = await run(parts, "why", line["sign_on_id"])
    assert "a device was rejected: not the enrolled one, or not activated\n" in said
    assert "a device came with the passcode\n" in said


async def test_why_there_is_no_relay(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(queue=0.2)) as parts:
        agent = parts.agent.agent
        gone = replace(agent.config.relays[0], link=UnixAddress(f"{tmp_path}/gone.sock"))
        agent.adopt(replace(agent.config, relays=(gone,)))
        await until(lambda: "No such file" in agent.host.links[0].trouble)
        async with parts.agent.call() as caller:
            await caller.result()
        line = await parts.ended("unavailable")
        _, said = await run(parts, "why", line["sign_on_id"])
    assert 'the user saw "no relay can be reached, try again later"' in said
    assert "what to do: bartizan-agent status" in said
    assert f"relay unix:{tmp_path}/gone.sock: down: " in said


async def test_why_of_what_is_not_known(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        exit_code, said = await run(parts, "why", "yjbwpywuzsfzq")
        assert exit_code == 1
        assert said.startswith("nothing is known of yjbwpywuzsfzq\n  This agent runs since ")
        assert "remembers 0 that ended; at most 1,000, and for 1 h" in said
        exit_code, said = await run(parts, "why", "yjbwpywuzsfzq", "--json")
        assert exit_code == 1
        assert json.loads(said)["type"] == "unknown"


@pytest.mark.parametrize("short_id", ["", "yjbwpywuzsfz", "yjbwpywuzsfz1", "yjbwpywuzsfzqq", "-x"])
async def test_what_is_no_sign_on_id(tmp_path: Path, short_id: str) -> None:
    done = await trio.run_process(
        [str(BIN / "bartizan-agent"), "why", "--", short_id],
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"expected 13 letters and digits" in done.stderr


async def test_why_of_an_enrolment(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        admin = parts.agent.config.admin_socket

        def offer_and_leave() -> None:
            replies = ask(admin, Enroll("bob"))
            assert isinstance(next(replies), Offered)

        await trio.to_thread.run_sync(offer_and_leave)
        line = await parts.log.event("enrolment ended")
        code, said = await run(parts, "why", line["sign_on_id"])
    assert code == 0
    assert said.startswith(f"enrolment {line['sign_on_id']}: cancelled\n")
    assert "user          bob" in said
    assert "queued at a relay" in said


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_is_told(stage: Stage) -> None:
    story = Story(Kind.SIGN_ON, "yjbwpywuzsfzq", "", stage.value, "alice", 0.0, {}, {})
    assert list(report.story_lines(story))[:2] == [
        f"sign-on yjbwpywuzsfzq: {stage.value}",
        f"  {report._STAGES[stage]}",
    ]


def test_steps_that_came_again_and_what_strangers_said() -> None:
    story = Story(
        Kind.SIGN_ON,
        "yjbwpywuzsfzq",
        "expired",
        "finishing",
        "alice",
        0.0,
        {"queued": 0.001, "rejected": 2.5, "a new one\x1b": 3.0},
        {"queued": 1, "rejected": 3},
        reason="not\x1b me",
    )
    lines = list(report.story_lines(story))
    assert '  the user saw "not approved in time"' in lines
    assert "  reason given  not me" in lines
    assert lines[-3:] == [
        "      0.001 s  queued at a relay",
        "      2.500 s  a device was rejected: not the enrolled one, or not activated (3 times)",
        "      3.000 s  a new one",
    ]


def test_every_step_that_is_marked_is_told_in_words() -> None:
    sources = (file.read_text() for file in Path(report.__file__).parent.glob("*.py"))
    marked = {step for text in sources for step in re.findall(r'mark\("(\w+)"', text)}
    assert marked == set(report._STEPS)


async def test_only_json_has_everything(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call() as caller:
            await signs_on(parts, caller, await caller.passcode())
        line = await parts.ended("approved")
        _, said = await run(parts, "why", line["sign_on_id"], "--json")
        story = json.loads(said)
        assert (story["type"], story["kind"], story["steps"]) == ("story", "sign-on", line["steps"])
        admin = parts.agent.config.admin_socket
        for request in (ShowStatus(), Why("yjbwpywuzsfzq")):
            replies = await trio.to_thread.run_sync(lambda each=request: list(ask(admin, each)))
            assert isinstance(replies[0], Status | Unknown)
