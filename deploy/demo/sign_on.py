"""edge. One sign-on through the real PAM, approved by a person or by the demo, and what it left."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio
from daemon import Daemon, Line
from failed import FailedError
from parties import Parties
from place import HOST, SERVICE, VALIDATION, Place
from screen import heading, indented, write
from timeline import Lines

AUTO_SECONDS: Final = 60.0
"""For a sign-on that nobody has to read."""
PERSON_SECONDS: Final = 2.0 * VALIDATION + 30.0
"""The agent ends it before: fetching the device, deciding, and a moment to press Enter."""
LAST_LINES_SECONDS: Final = 3.0
"""How long the parties' last log lines are waited for once PAM has returned."""
POLL_SECONDS: Final = 0.05

PAM_APPLICATION: Final = Path(__file__).with_name("pam_application.py")
_FRAMES_WITH_DECISION: Final = 2
_PASSCODE: Final = re.compile(r"passcode (\d{4} \d{4})")


@dataclass(frozen=True)
class Result:
    """How the sign-on ended, and what everybody said of it."""

    signed_on: bool
    sign_on_id: str
    lines: Lines


async def sign_on(parties: Parties, auto: str) -> Result:
    """`auto` is `approve`, `deny`, or empty for a person. Raises FailedError."""
    heading("The host: PAM asks for a sign-on")
    reads, writes = os.pipe()
    place = parties.place
    command = [sys.executable, PAM_APPLICATION, place.services, SERVICE, place.user, writes]
    try:
        process = await trio.lowlevel.open_process(
            [str(word) for word in command],
            pass_fds=(writes,),
            stdin=subprocess.PIPE if auto else None,
        )
    finally:
        os.close(writes)
    said: list[Line] = []
    try:
        async with trio.lowlevel.FdStream(reads) as events, trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + (
                AUTO_SECONDS if auto else PERSON_SECONDS
            )
            async for line in _json_lines(events):
                said.append(line)
                passcode = _PASSCODE.search(line.get("text", ""))
                if passcode is None:
                    continue
                if auto:
                    nursery.start_soon(_press_enter, process)
                    nursery.start_soon(_decide, place, passcode[1], auto)
                else:
                    _ask_person(place, passcode[1])
                    nursery.start_soon(_remind, parties.agent, said)
            await process.wait()
            # Whatever waits now waits for a log line, or for the device to leave.
            nursery.cancel_scope.deadline = trio.current_time() + LAST_LINES_SECONDS
    finally:
        if process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
    return await _result(parties, process.returncode == 0, said)


async def _json_lines(events: trio.lowlevel.FdStream) -> AsyncIterator[Line]:
    rest = b""
    async for data in events:
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield json.loads(line)


async def _press_enter(process: trio.Process) -> None:
    assert process.stdin is not None
    with contextlib.suppress(trio.BrokenResourceError):  # PAM was faster
        await process.stdin.send_all(b"\n")


async def _decide(place: Place, passcode: str, verdict: str) -> None:
    """The demo's own device. Raises FailedError when its end is not the one that was asked for."""
    command = place.program("bartizan", "sign-on", HOST, passcode, f"--{verdict}")
    device = await trio.run_process(
        command, capture_stdout=True, check=False, env=os.environ | place.device_settings()
    )
    shown = device.stdout.decode(errors="replace")
    heading(f"The device: bartizan sign-on {HOST} {passcode} --{verdict}")
    indented(shown)
    if device.returncode != (0 if verdict == "approve" else 1):
        raise FailedError(f"the device ended with code {device.returncode}")


def _ask_person(place: Place, passcode: str) -> None:
    write()  # ends the line of PAM's prompt
    heading("The device: paste this into another terminal, and decide there")
    write(place.device_command(passcode))
    write("\nThen press Enter here: ", end="")


async def _remind(agent: Daemon, said: list[Line]) -> None:
    """For one who has decided, and forgotten what the prompt said."""
    await agent.logs(_sign_on_ended, PERSON_SECONDS)
    if said[-1]["event"] == "shown":
        write("(it is decided) ", end="")


def _sign_on_ended(line: Line) -> bool:
    return line.get("event") == "sign-on ended"


async def _result(parties: Parties, signed_on: bool, said: list[Line]) -> Result:
    agent = await parties.agent.logs(_sign_on_ended, LAST_LINES_SECONDS)
    if agent is None:
        return Result(signed_on, "", Lines(said))
    sign_on_id = agent["sign_on_id"]
    # A connection that broke before the decision leaves a line of its own: it is not the last.
    frames = _FRAMES_WITH_DECISION if "decided" in agent["steps"] else 0
    relay = await parties.relay.logs(
        lambda line: line.get("sign_on_id") == sign_on_id and line["frames_in"] >= frames,
        LAST_LINES_SECONDS,
    )
    validator = (
        await _device_line(parties.place, sign_on_id) if "opened" in agent["steps"] else None
    )
    return Result(signed_on, sign_on_id, Lines(said, agent, relay, validator))


async def _device_line(place: Place, sign_on_id: str) -> Line | None:
    """The device's line about this sign-on, which it writes when it has seen the end."""
    with trio.move_on_after(LAST_LINES_SECONDS):
        while True:
            lines = map(json.loads, place.device_log.read_text().splitlines())
            for line in lines:
                if line["sign_on_id"] == sign_on_id:
                    return dict(line)
            await trio.sleep(POLL_SECONDS)
    return None
