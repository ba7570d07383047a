"""edge. The load generator's process, and what it says of each run."""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bench.programs import program

STOP_SECONDS: Final = 10.0
STILL_SECONDS: Final = 10.0
"""On a machine that is very busy, a process may get no turn for seconds."""


class Times(msgspec.Struct, frozen=True):
    """Of all sign-ons of a run, in µs."""

    p50: float
    p99: float
    max: float


class Run(msgspec.Struct, frozen=True):
    """`exchange_us` is from the validator's connect until CONFIRM is sent, `whole_us` from the
    agent's first act until the validator sees the end. `load_cpu_us` is the generator's own."""

    sign_ons: int
    seconds: float
    load_cpu_us: float
    exchange_us: Times
    whole_us: Times


class GeneratorError(Exception):
    """A sign-on went wrong; what, stands on standard error."""


@dataclass(frozen=True)
class Generator:
    """Plays agents and validators against one contestant."""

    process: "subprocess.Popen[str]"

    def run(self, sign_ons: int, in_flight: int, still: float = STILL_SECONDS) -> Run:
        """After `still` seconds in which nothing arrives, a frame got lost: GeneratorError."""
        answer = self._ask(f"run {sign_ons} {in_flight} {still * 1e3:.0f}")
        return msgspec.convert(answer, Run)

    def wait(self, count: int) -> None:
        """Let `count` requests wait in all, for which nobody comes."""
        self._ask(f"wait {count}")

    def _ask(self, command: str) -> Any:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(command + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise GeneratorError(f"the load generator gave up at `{command}`")
        return msgspec.json.decode(line)


@contextmanager
def start_generator(mode: str, port: int, links: Sequence[socket.socket]) -> Iterator[Generator]:
    """`links` are attached agents' links, whose descriptors it inherits."""
    descriptors = [link.fileno() for link in links]
    process = subprocess.Popen(
        [program("load"), mode, str(port), *map(str, descriptors)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=descriptors,
    )
    os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    try:
        yield Generator(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
