"""edge. The relay under attack: the program with its default configuration and a limit of memory,
and what can be seen of it from outside, all the time.
"""

import base64
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.contestants import Command
from bench.links import attach
from bench.process import Cpu, cpu
from protocol.agent_auth import public_bytes
from tests.support.programs import free_port

MEMORY: Final = 256 << 20
"""Bytes of address space: whatever a process holds in memory is in it, so it can hold no more."""
LOOK_EVERY: Final = 0.1
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

Line = dict[str, Any]
"""Of the log."""


@dataclass(frozen=True)
class Look:
    """At one moment of Trio's clock: resident bytes, and open descriptors."""

    at: float
    resident: int
    descriptors: int


@dataclass
class Besieged:
    """A relay that runs, where to reach it, and every look at it."""

    process: trio.Process
    log: Path
    links: Path
    """Where agents of this host attach."""
    agents: int
    validators: int
    """Ports of 127.0.0.1."""
    key: X25519PrivateKey
    agent_keys: list[X25519PrivateKey]
    looks: list[Look] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def attach(self) -> list[socket.socket]:
        """A link of each agent whose key it has."""
        return [attach(self.agents, each, public_bytes(self.key)) for each in self.agent_keys]

    def cpu(self) -> Cpu:
        return cpu(self.process.pid)

    async def watch(self) -> None:
        """Look at it until cancelled, or until it has died."""
        proc = Path(f"/proc/{self.process.pid}")
        while self.alive:
            resident = int((proc / "statm").read_text().split()[1]) * _PAGE
            descriptors = len(os.listdir(proc / "fd"))
            self.looks.append(Look(trio.current_time(), resident, descriptors))
            await trio.sleep(LOOK_EVERY)

    def lines(self) -> list[Line]:
        """The log so far. A line that is no JSON is an event of its own."""
        return [_line(line) for line in self.log.read_bytes().splitlines()]


def _line(text: bytes) -> Line:
    try:
        return dict(msgspec.json.decode(text))
    except ValueError:
        return {"event": "no JSON", "text": text.decode(errors="replace")}


@asynccontextmanager
async def besieged(
    folder: Path, agents: int, command: Command, limit: str = f"--as={MEMORY}"
) -> AsyncIterator[Besieged]:
    """Start it, with the keys of so many agents; end it by SIGTERM, which it must obey.

    `command` runs the relay's program, `limit` is an option of prlimit(1).
    """
    keys = [X25519PrivateKey.generate() for _ in range(agents)]
    key = X25519PrivateKey.generate()
    for_agents, for_validators, log = free_port(), free_port(), folder / "relay.log"
    config = _configured(folder, key, keys, for_agents, for_validators)
    with log.open("w") as output:
        process = await trio.lowlevel.open_process(
            ["prlimit", limit, *command, "serve", "--config", config], stderr=output
        )
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    links = folder / "links.sock"
    relay = Besieged(process, log, links, for_agents, for_validators, key, keys)
    try:
        with trio.fail_after(START_SECONDS):
            while b'"relay up"' not in log.read_bytes():
                if not relay.alive:
                    raise RuntimeError(f"the relay did not start: {log.read_text().strip()}")
                await trio.sleep(0.02)
        yield relay
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_SECONDS):
            await process.wait()
    finally:
        if relay.alive:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def _configured(
    folder: Path, key: X25519PrivateKey, agents: list[X25519PrivateKey], links: int, port: int
) -> Path:
    """Addresses and keys; all else is the default."""
    secret, known = folder / "relay.key", folder / "relay.agents"
    secret.touch(0o600)
    secret.write_text(base64.b64encode(key.private_bytes_raw()).decode() + "\n")
    known.write_text(
        "".join(
            f"{base64.b64encode(public_bytes(agent)).decode()} agent{number}\n"
            for number, agent in enumerate(agents)
        )
    )
    config = folder / "relay.toml"
    config.write_text(
        f'key = "{secret}"\nagents_file = "{known}"\n'
        f'[[agents]]\nlisten = "tcp:127.0.0.1:{links}"\n'
        f'[[agents]]\nlisten = "unix:{folder / "links.sock"}"\n'
        f'[[validators]]\nlisten = "tcp:127.0.0.1:{port}"\n'
    )
    return config


def dropped_connects() -> int:
    """How many the kernel has dropped because a listener's queue was full, on the whole machine."""
    names, values = [
        line.split()
        for line in Path("/proc/net/netstat").read_text().splitlines()
        if line.startswith("TcpExt:")
    ][:2]
    return int(dict(zip(names, values, strict=True))["ListenDrops"])
