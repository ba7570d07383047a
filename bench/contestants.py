"""edge. The relays that are compared: how each is started, and reached by the load generator."""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.generator import Generator, start_generator
from bench.links import attach
from bench.programs import HERE, compiled_relay, program, relay_program, transit_environment
from protocol.agent_auth import public_bytes
from tests.support.programs import free_port

Kind = Literal[
    "bartizan", "interpreted", "floor_links", "floor_python", "floor_pairs", "transit", "direct"
]
Command = Sequence[str | Path]

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
REQUESTS: Final = 1_000_000
"""Limit of requests, in all and for one agent: above any number that is measured."""


class ContestantError(Exception):
    """It did not start; with what it said."""


@dataclass(frozen=True)
class Contestant:
    """`links` is how many agents there are; 0 where an agent connects for each sign-on."""

    kind: Kind
    links: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.links}" if self.links else self.kind


@dataclass(frozen=True)
class Running:
    """A started contestant, with its generator attached."""

    pid: int
    generator: Generator


ALL: Final = (
    Contestant("direct"),
    Contestant("floor_pairs"),
    Contestant("bartizan", 1),
    Contestant("floor_links", 1),
    Contestant("bartizan", 16),
    Contestant("interpreted", 16),
    Contestant("floor_links", 16),
    Contestant("floor_python", 16),
    Contestant("bartizan", 64),
    Contestant("floor_links", 64),
    Contestant("transit"),
)
"""In the order in which they take turns."""


_MODES: Final[dict[Kind, str]] = {
    "bartizan": "links",
    "interpreted": "links",
    "floor_links": "links",
    "floor_python": "links",
    "floor_pairs": "pairs",
    "transit": "transit",
    "direct": "direct",
}
"""What the load generator calls their protocol."""


@contextmanager
def running(
    contestant: Contestant, folder: Path, command: Command | None = None
) -> Iterator[Running]:
    """Start it, in the empty `folder`. `command` runs Bartizan's relay instead of the program."""
    own = compiled_relay() if contestant.kind == "bartizan" else [relay_program()]
    with ExitStack() as stack:
        started = _start(stack, contestant, folder, command or own)
        for link in started.links:
            stack.callback(link.close)
        generator = start_generator(_MODES[contestant.kind], started.port, started.links)
        yield Running(started.pid, stack.enter_context(generator))


def relay_cpu() -> set[int]:
    """The CPU for what is measured; the generator has another, if there is one."""
    return {max(os.sched_getaffinity(0))}


class _Started(NamedTuple):
    """`port` is where validators connect; `links` are attached."""

    pid: int
    port: int
    links: list[socket.socket]


def _start(stack: ExitStack, contestant: Contestant, folder: Path, command: Command) -> _Started:
    match contestant.kind:
        case "bartizan" | "interpreted":
            return _bartizan(stack, contestant.links, folder, command)
        case "floor_links" | "floor_python":
            pid, agents, validators = _floor(stack, contestant.kind)
            links = [attach(agents, None, None) for _ in range(contestant.links)]
            return _Started(pid, validators, links)
        case "floor_pairs" | "direct":
            pid, port = _floor(stack, contestant.kind)
            return _Started(pid, port, [])
        case "transit":
            return _transit(stack, folder)


def _process(
    stack: ExitStack, command: Command, output: IO[str] | int, folder: Path | None = None
) -> "subprocess.Popen[str]":
    """With both outputs to a log, or standard output to a pipe."""
    errors = None if output == subprocess.PIPE else output
    process = subprocess.Popen(command, stdout=output, stderr=errors, cwd=folder, text=True)
    stack.callback(_stop, process)
    os.sched_setaffinity(process.pid, relay_cpu())
    return process


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _floor(stack: ExitStack, kind: Kind) -> list[int]:
    """Its process id, and the port of each listener, of which it prints `NAME PORT`."""
    command: Command = [program(kind)]
    if kind == "floor_python":
        command = [sys.executable, HERE / "floor_python.py"]
    process = _process(stack, command, subprocess.PIPE)
    assert process.stdout is not None
    listeners = 2 if _MODES[kind] == "links" else 1
    ports = [int(process.stdout.readline().split()[1]) for _ in range(listeners)]
    return [process.pid, *ports]


def _bartizan(stack: ExitStack, links: int, folder: Path, command: Command) -> _Started:
    """As in production: links by TCP with keys, every end logged to a file."""
    key = X25519PrivateKey.generate()
    agents = [X25519PrivateKey.generate() for _ in range(links)]
    secret = folder / "relay.key"
    secret.touch(0o600)
    secret.write_text(base64.b64encode(key.private_bytes_raw()).decode() + "\n")
    lines = [
        f"{base64.b64encode(public_bytes(agent)).decode()} agent{number}\n"
        for number, agent in enumerate(agents)
    ]
    (folder / "relay.agents").write_text("".join(lines))
    for_agents, for_validators = free_port(), free_port()
    config = folder / "relay.toml"
    config.write_text(
        f'key = "{secret}"\n'
        f'agents_file = "{folder / "relay.agents"}"\n'
        f'[[agents]]\nlisten = "tcp:127.0.0.1:{for_agents}"\n'
        f'[[validators]]\nlisten = "tcp:127.0.0.1:{for_validators}"\n'
        f"[limits]\nrequests = {REQUESTS}\nrequests_per_agent = {REQUESTS}\n"
    )
    log = folder / "relay.log"
    with log.open("w") as output:
        process = _process(stack, [*command, "serve", "--config", config], output)

    _until(process, log, '"relay up"')
    relay_key = public_bytes(key)
    attached = [attach(for_agents, agent, relay_key) for agent in agents]
    return _Started(process.pid, for_validators, attached)


def _transit(stack: ExitStack, folder: Path) -> _Started:
    """With a backlog that holds a burst; its default of 50 would lose connections. No usage log."""
    port = free_port()
    twist = transit_environment() / "bin" / "twist"
    endpoint = f"tcp:{port}:backlog=4096:interface=127.0.0.1"
    log = folder / "transit.log"
    with log.open("w") as output:
        command: Command = [twist, "--log-format=text", "transitrelay", f"--port={endpoint}"]
        process = _process(stack, command, output, folder)
    _until(process, log, f"starting on {port}")
    return _Started(process.pid, port, [])


def _until(process: "subprocess.Popen[str]", log: Path, said: str) -> None:
    end = time.monotonic() + START_SECONDS
    while said not in (text := log.read_text()):
        if process.poll() is not None or time.monotonic() > end:
            raise ContestantError(f"a contestant did not start: {text.strip()}")
        time.sleep(0.02)
