"""edge. Whole sign-ons through a relay: the agent and the device as their programs, with all
cryptography and both stores.
"""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from bench.whole import enroll_device
from pam_agent.local_wire import Result
from tests.support.caller import calling
from tests.support.programs import BIN, Device, daemon

HOST: Final = "besieged"


@dataclass
class RealEnds:
    """A host's agent with its socket for PAM, and a device that is enrolled there."""

    socket: Path
    device: Device
    troubles: list[str] = field(default_factory=list)
    """Empty for each that went through."""
    seconds: list[float] = field(default_factory=list)
    """How long each took, from PAM's call to its result; the program's start is in it."""

    async def sign_on(self) -> None:
        began = trio.current_time()
        trouble = ""
        try:
            async with calling(self.socket, getpass.getuser()) as caller:
                passcode = await caller.passcode()
                done = await self.device.run("sign-on", HOST, passcode, "--approve")
                if done.returncode:
                    trouble = f"the device says {done.stdout.decode()}{done.stderr.decode()}"
                elif (result := await caller.result()) is not Result.APPROVED:
                    trouble = f"PAM has {result.name}"
        except (OSError, AssertionError, trio.TooSlowError) as error:
            trouble = repr(error)
        self.troubles.append(trouble)
        self.seconds.append(trio.current_time() - began)

    async def again_and_again(self, pause: float, over: trio.Event) -> None:
        """One after another, until it is over."""
        while not over.is_set():
            await self.sign_on()
            with trio.move_on_after(pause):
                await over.wait()


@asynccontextmanager
async def real_ends(folder: Path, links: Path, validators: str) -> AsyncIterator[RealEnds]:
    """At a relay that runs: `links` is its Unix socket, `validators` is `host:port`."""
    config, socket = folder / "agent.toml", folder / "pam.sock"
    config.write_text(
        f'host = "{HOST}"\nstate = "{folder / "state"}"\nsocket = "{socket}"\n'
        f'admin_socket = "{folder / "admin.sock"}"\n'
        f'relays = [{{link = "unix:{links}", validators = ["{validators}"]}}]\n'
        'log = {format = "json"}\n'
    )
    program = str(BIN / "bartizan-agent")
    async with daemon([program, "serve", "--config", str(config)]) as agent:
        await agent.logged("link up")
        device = Device(folder / "device")
        enroll = [program, "enroll", getpass.getuser(), "--json", "--config", str(config)]
        await enroll_device(device, enroll)
        yield RealEnds(socket, device)
