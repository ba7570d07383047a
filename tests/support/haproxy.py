"""The real HAProxy with the configuration that is shipped, on ports of its own before a farm."""

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from protocol.address import TcpAddress
from tests.support.patience import PATIENCE, until
from tests.support.programs import free_port
from tests.support.relay_farm import FarmRelay

SHIPPED = Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg"
NAMES = ("one", "two", "three")
NOT_HERE = re.compile(r" +(user|group|chroot|log) .*\n")
"""What needs Debian's own service."""


@dataclass(eq=False)
class HAProxy:
    """Where agents and devices come, and its runtime socket."""

    agents: TcpAddress
    validators: TcpAddress
    _socket: Path

    async def ask(self, command: str) -> str:
        """One command at the runtime socket, as docs/scaling.md has them."""
        with trio.fail_after(PATIENCE):
            async with await trio.open_unix_socket(str(self._socket)) as stream:
                await stream.send_all(command.encode() + b"\n")
                said = b""
                async for data in stream:
                    said += data
        return said.decode().strip()

    async def states(self) -> dict[str, str]:
        """`agents/one` and so on, and how each is: UP, DOWN, MAINT, perhaps with more words."""
        lines = [line.split(",") for line in (await self.ask("show stat")).splitlines()]
        return {f"{x[0]}/{x[1]}": x[17] for x in lines if len(x) > 17 and x[1] in NAMES}

    async def all_up(self) -> None:
        for name in NAMES:
            await self.is_(name, "UP")

    async def is_(self, name: str, state: str) -> None:
        """Returns when this relay is in that state, for agents and for devices."""
        both = (f"agents/{name}", f"validators/{name}")
        with trio.fail_after(PATIENCE):
            while True:
                states = await self.states()
                if all(states[each].startswith(state) for each in both):
                    return
                await trio.sleep(0.02)


def configuration(relays: list[FarmRelay], folder: Path) -> tuple[str, dict[int, int]]:
    """The shipped one for these relays, and which port has become which."""
    ports = {4816: free_port(), 4817: free_port(), 4820: free_port()}
    for number, relay in enumerate(relays):
        ports[4826 + 10 * number] = relay.agents.port
        ports[4827 + 10 * number] = relay.validators.port
    text = NOT_HERE.sub("", SHIPPED.read_text())
    text = text.replace("bind :", "bind 127.0.0.1:").replace("/run/haproxy", str(folder))
    text = text.replace("maxconn 20000", "maxconn 4000")  # with the descriptors that a test has
    text = re.sub(r"(?<=:)48\d\d\b", lambda found: str(ports[int(found[0])]), text)
    return text, ports


@asynccontextmanager
async def haproxy(relays: list[FarmRelay], folder: Path) -> AsyncIterator[HAProxy]:
    """Before these relays, which need not run yet."""
    text, ports = configuration(relays, folder)
    file = folder / "haproxy.cfg"
    file.write_text(text)
    with (folder / "haproxy.log").open("w") as log:
        process = await trio.lowlevel.open_process(
            ["haproxy", "-db", "-f", str(file)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        running = HAProxy(
            TcpAddress("127.0.0.1", ports[4816]),
            TcpAddress("127.0.0.1", ports[4817]),
            folder / "admin.sock",
        )
        await until(lambda: running._socket.exists() or process.poll() is not None)
        assert process.poll() is None, (folder / "haproxy.log").read_text()
        yield running
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
