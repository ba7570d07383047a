"""edge. The relay and the agent, started and ready; and a device enrolled between them."""

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio
from daemon import Daemon, daemon
from failed import FailedError
from place import HOST, Place
from screen import say

START_SECONDS: Final = 20.0
"""Two Python programs on a busy machine."""
ENROL_SECONDS: Final = 30.0
DEVICE: Final = "demo-device"


@dataclass(frozen=True)
class Parties:
    """The two daemons, ready."""

    place: Place
    relay: Daemon
    agent: Daemon


@asynccontextmanager
async def parties(place: Place) -> AsyncIterator[Parties]:
    """The relay on a free port, then the agent with a link to it. Raises FailedError."""
    relay_command = place.program("bartizan-relay", "serve", "--config", place.relay_file)
    agent_command = place.program("bartizan-agent", "serve", "--config", place.agent_file)
    async with daemon("the relay", relay_command) as relay:
        await relay.must_log("relay up", START_SECONDS)
        say("relay", f"listens for validators on {place.relay}")
        async with daemon("the agent", agent_command) as agent:
            await agent.must_log("link up", START_SECONDS)
            say("agent", f"serves {HOST}, linked to the relay by a Unix socket")
            yield Parties(place, relay, agent)


async def enrol(place: Place) -> None:
    """The agent's offer goes straight into the device. Raises FailedError."""
    process = await trio.lowlevel.open_process(
        place.program(
            "bartizan-agent", "enroll", place.user, "--json", "--config", place.agent_file
        ),
        stdout=subprocess.PIPE,
    )
    try:
        with trio.fail_after(ENROL_SECONDS):
            digits = await _enrol(place, process)
    except trio.TooSlowError:
        raise FailedError(f"no device was enrolled within {ENROL_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
    say("device", f"enrolled for {place.user}; host and device show the same digits, {digits}")


async def _enrol(place: Place, offering: trio.Process) -> str:
    """The six digits that both sides have shown."""
    assert offering.stdout is not None
    told = b""
    while b"\n" not in told:
        data = await offering.stdout.receive_some()
        if not data:
            raise FailedError("the agent made no offer to enrol a device")
        told += data
    device = await trio.run_process(
        place.program("bartizan", "enroll", "-", "--yes", "--name", DEVICE),
        stdin=json.loads(told.split(b"\n")[0])["uri"].encode(),
        capture_stdout=True,
        check=False,
        env=os.environ | place.device_settings(),
    )
    shown = device.stdout.decode(errors="replace")
    async for data in offering.stdout:
        told += data
    digits = [
        str(line["digits"]) for line in map(json.loads, told.splitlines()) if "digits" in line
    ]
    if await offering.wait() or device.returncode or not digits or digits[0] not in shown:
        raise FailedError(f"the device was not enrolled; it said:\n{shown}")
    return f"{digits[0][:3]} {digits[0][3:]}"
