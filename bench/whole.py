"""edge. The whole sign-on, with both ends' cryptography: real module, agent, relay and validator.

    python -m bench.whole

Two times that a person would notice: from PAM's call until the passcode is shown, and from the
approval on the device until PAM has its result.
"""

import getpass
import json
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from bench.figures import Spread, range_text
from protocol.keys import Mode
from protocol.passcode import parse
from protocol.signon_messages import Context, Verdict
from tests.support.pam import (
    Message,
    PamCode,
    PamSession,
    build_module,
    pam_session,
    service_folder,
)
from tests.support.programs import BIN, Device, daemon, free_port
from validator import client
from validator.choice import Choice
from validator.keystore import KeyStore
from validator.outcomes import Outcome
from validator.timeline import Timeline

SIGN_ONS: Final = 200
WARM_UP: Final = 10

_PASSCODE: Final = re.compile(r"passcode (\d{4} \d{4})")


async def measure_whole(sign_ons: int = SIGN_ONS) -> dict[str, list[float]]:
    """Milliseconds of each of `sign_ons`: `prompt_ms` and `result_ms`."""
    found: dict[str, list[float]] = {"prompt_ms": [], "result_ms": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with _installed(folder) as socket:
            line = f"auth required {build_module()} socket={socket}\n"
            service = service_folder(folder / "pam.d", "bench", line)
            async with pam_session(service, getpass.getuser()) as pam:
                with KeyStore(folder / "device") as store:
                    for number in range(WARM_UP + sign_ons):
                        prompt, result = await _sign_on(pam, store)
                        if number >= WARM_UP:
                            found["prompt_ms"].append(prompt * 1e3)
                            found["result_ms"].append(result * 1e3)
    return found


async def _sign_on(pam: PamSession, store: KeyStore) -> tuple[float, float]:
    """Seconds from PAM's call to the prompt, and from the approval to PAM's result."""
    (record,) = store.listing().records
    shown = approved = 0.0
    async with trio.open_nursery() as nursery:

        async def approve(passcode: str) -> None:
            async def decide(_context: Context) -> Choice:
                nonlocal approved
                approved = time.clock_gettime(time.CLOCK_MONOTONIC)
                return Choice(Verdict.APPROVE)

            with store.locked(record.record_id, 1.0, lambda: None) as locked:
                device = client.Device(decide, locked.write, time.time)
                ending = await client.sign_on(
                    record, Mode.PASSCODE, parse(passcode), device, Timeline()
                )
            if ending.outcome is not Outcome.SIGNED_ON:
                raise RuntimeError(f"a sign-on ended as {ending.outcome.value}")

        async def conversation(message: Message) -> str:
            nonlocal shown
            if found := _PASSCODE.search(message.text):
                shown = message.at
                nursery.start_soon(approve, found[1])
            return ""  # Enter

        ending = await pam.authenticate(conversation)
    if ending.code is not PamCode.SUCCESS:
        raise RuntimeError(f"PAM returned {ending.code.name}")
    return shown - ending.began, ending.ended - approved


@asynccontextmanager
async def _installed(folder: Path) -> AsyncIterator[Path]:
    """A relay and an agent that run, a device that is enrolled; the agent's socket for PAM."""
    links, socket = folder / "links.sock", folder / "pam.sock"
    validators = f"127.0.0.1:{free_port()}"
    relay_file, agent_file = folder / "relay.toml", folder / "agent.toml"
    relay_file.write_text(
        f'agents = [{{listen = "unix:{links}"}}]\nvalidators = [{{listen = "tcp:{validators}"}}]\n'
    )
    agent_file.write_text(
        f'host = "bench"\nstate = "{folder / "state"}"\nsocket = "{socket}"\n'
        f'admin_socket = "{folder / "admin.sock"}"\n'
        f'relays = [{{link = "unix:{links}", validators = ["{validators}"]}}]\n'
    )
    agent_program = str(BIN / "bartizan-agent")
    relay_command = [str(BIN / "bartizan-relay"), "serve", "--config", str(relay_file)]
    async with daemon(relay_command) as relay:
        await relay.logged("relay up")
        async with daemon([agent_program, "serve", "--config", str(agent_file)]) as agent:
            await agent.logged("link up")
            enroll = [agent_program, "enroll", getpass.getuser(), "--json"]
            await enroll_device(Device(folder / "device"), [*enroll, "--config", str(agent_file)])
            yield socket


async def enroll_device(device: Device, command: list[str]) -> None:
    """Carries the code from the host, where `command` shows it in JSON, to the device."""
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with process.stdout:
        said = b""
        while b"\n" not in said:
            said += await process.stdout.receive_some()
        offer = json.loads(said.partition(b"\n")[0])["uri"]
        done = await device.run("enroll", "-", "--yes", typed=offer)
        if done.returncode or await process.wait():
            raise RuntimeError(f"no enrolment: {done.stdout!r} {done.stderr!r}")


def main() -> None:
    found = trio.run(measure_whole)
    print(f"PAM's call to the prompt, ms: {range_text(Spread.of(found['prompt_ms']))}")
    print(f"approval to PAM's result, ms: {range_text(Spread.of(found['result_ms']))}")


if __name__ == "__main__":
    main()
