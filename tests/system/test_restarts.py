"""Restarts, kills and hangs of the relay's unit under a real systemd, with a crowd at it.

BARTIZAN_KILLS says how often it is killed: 30 takes some minutes, and a greater BARTIZAN_LIMIT.
"""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.machine import Machine, machine

RELAY = "bartizan-relay"
ROOT = Path(__file__).parents[2]
PLACES = 200
RESTARTS = 20
KILLS = int(os.environ.get("BARTIZAN_KILLS", "4"))
ACKNOWLEDGED = 45.0
"""Seconds: an agent's acknowledgement window."""
STARTS = 60.0
"""Seconds for a program to be there again, on a busy machine."""
STAGES = ("queueing", "waiting", "paired", "asked", "decided")


@pytest.fixture
async def host(debs: tuple[Path, ...]) -> AsyncIterator[Machine]:
    async with machine("bastion", debs=debs) as running:
        yield running


async def show(host: Machine, name: str) -> str:
    said = await host.run("systemctl", "show", "--value", f"--property={name}", RELAY)
    return said.strip()


async def comes_to(host: Machine, name: str, wanted: Callable[[str], bool]) -> None:
    with trio.fail_after(STARTS):
        while not wanted(await show(host, name)):  # noqa: ASYNC110
            await trio.sleep(0.1)


@dataclass
class Playing:
    figures: dict[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def crowd(host: Machine) -> AsyncIterator[Playing]:
    """In the machine's network, but not on it; its figures are there at the end."""
    path = host.path("/run/bartizan-relay/agents.sock")
    process = await trio.lowlevel.open_process(
        [
            *("nsenter", f"--net=/proc/{host.leader}/ns/net", sys.executable),
            *("-m", "tests.system.crowd", str(path), "4817", str(PLACES)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    playing = Playing()
    try:
        with trio.fail_after(STARTS):
            assert (await process.stdout.receive_some()).startswith(b"playing")
        await trio.sleep(3)  # until its sign-ons are spread over all stages
        yield playing
        await process.stdin.aclose()
        said = b""
        with trio.fail_after(120):
            async for data in process.stdout:
                said += data
        playing.figures = json.loads(said.strip())
        print(playing.figures)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def test_twenty_restarts_while_200_sign_ons_are_in_every_stage(host: Machine) -> None:
    slowest = 0.0
    async with crowd(host) as playing:
        for _ in range(RESTARTS):
            before = trio.current_time()
            await host.run("systemctl", "restart", RELAY)
            slowest = max(slowest, trio.current_time() - before)
            await trio.sleep(random.random())
    print(f"slowest restart: {slowest:.1f} s")
    figures = playing.figures
    assert figures["done"] > PLACES
    assert all(figures["stages"][stage] >= 5 for stage in STAGES), figures
    lost = {k: figures[k] for k in ("false", "interrupted", "again", "links", "stuck")}
    assert set(lost.values()) == {0}, lost
    await host.logged(RELAY, "relay taken over", RESTARTS)
    journal = await host.journal(RELAY)
    assert journal.count("relay taken over") == RESTARTS
    assert "warning" not in journal
    # The listeners, and nothing else.
    await comes_to(host, "NFileDescriptorStore", lambda count: count == "2")


async def test_kills_interrupt_what_runs_and_nothing_else(host: Machine) -> None:
    async with crowd(host) as playing:
        for _ in range(KILLS):
            pid = await show(host, "MainPID")
            await host.run("kill", "-KILL", pid)
            await comes_to(host, "MainPID", lambda now, pid=pid: now not in (pid, "0"))
            await comes_to(host, "ActiveState", lambda state: state == "active")
            await trio.sleep(2 + 4 * random.random())
    figures = playing.figures
    assert figures["false"] == 0
    assert figures["stuck"] == 0, "somebody who waited was forgotten"
    assert figures["links"] == KILLS
    assert figures["interrupted"] <= KILLS * PLACES
    assert figures["done"] > PLACES
    assert figures["slowest_end"] < ACKNOWLEDGED


async def test_a_relay_that_hangs_is_replaced(host: Machine) -> None:
    # As in the unit, but sooner.
    folder = "/run/systemd/system/bartizan-relay.service.d"
    await host.shell(
        f"mkdir -p {folder}; printf '[Service]\\nWatchdogSec=5\\n' >{folder}/w.conf\n"
        f"systemctl daemon-reload; systemctl restart {RELAY}"
    )
    hanging = await show(host, "MainPID")
    await host.run("kill", "-STOP", hanging)
    await host.logged(RELAY, "Watchdog timeout")
    await host.logged(RELAY, "relay up", 3)
    assert await show(host, "MainPID") != hanging
    assert await show(host, "NRestarts") == "1"


async def test_a_reload_is_no_restart(host: Machine) -> None:
    before = await show(host, "MainPID")
    await host.shell("printf '[limits]\\nhold = 3\\n' >/etc/bartizan/relay.toml")
    await host.run("systemctl", "reload", RELAY)
    await host.logged(RELAY, "configuration adopted")
    await host.shell("echo 'hald = 3' >>/etc/bartizan/relay.toml")
    await host.run("systemctl", "reload", RELAY)
    await host.logged(RELAY, "configuration refused")
    assert await show(host, "MainPID") == before


async def test_a_stop_is_the_end_of_all(host: Machine) -> None:
    await host.run("systemctl", "stop", RELAY)
    assert await show(host, "NFileDescriptorStore") == "0"
    assert "4817" not in await host.run("ss", "--listening", "--tcp", "--numeric", "--no-header")
    assert await show(host, "Result") == "success"


async def test_a_port_below_1024_is_the_service_managers(host: Machine) -> None:
    """As docs/operator.md has it; a restart leaves who waits there waiting."""
    page = (ROOT / "docs/operator.md").read_text().partition("**A port below 1024**")[2]
    table = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    assert await host.shell("systemctl is-enabled bartizan-relay.socket || true") == "disabled\n"
    host.path("/etc/bartizan/relay.toml").write_text(table)
    await host.run("systemctl", "stop", RELAY)
    await host.run("systemctl", "enable", "--now", "bartizan-relay.socket")
    await host.run("systemctl", "start", RELAY)
    await host.run("bartizan-relay", "probe")
    await host.run("systemctl", "restart", RELAY)
    said = await host.run("bartizan-relay", "probe")
    assert said.startswith("ok")
    assert ":443" in said
    assert "warning" not in await host.journal(RELAY)
