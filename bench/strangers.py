"""edge. Strangers at a relay, played by attack.c: what they do, where they come from, how many."""

import math
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import trio

from bench.programs import program

MOST: Final = 10_000_000
"""Attempts of one wave: far above what any machine makes in its time."""

Door = Literal["validators", "agents"]


@dataclass(frozen=True)
class Strangers:
    """`kind` as attack.c knows it; each of `sources` is in a /24 of its own."""

    kind: str
    sources: int
    door: Door = "validators"

    @property
    def name(self) -> str:
        return f"{self.kind} from {self.sources}"


class Attack(msgspec.Struct, frozen=True):
    """What they came to. `put_out`: by the relay, after they were connected; `no_port`: attempts
    that had none left at their source."""

    attempted: int
    connected: int
    put_out: int
    answered: int
    no_port: int
    open_most: int
    seconds: float
    cpu_seconds: float


_AT_VALIDATORS: Final = ("idle", "trickle", "tags", "noise", "halves", "resets")


def waves(many: int) -> tuple[Strangers, ...]:
    """Each kind from one source, and from `many`."""
    numbers = (1, many)
    return tuple(Strangers(kind, n) for kind in _AT_VALIDATORS for n in numbers) + tuple(
        Strangers("keys", n, "agents") for n in numbers
    )


async def attack(
    strangers: Strangers, port: int, host: int, seconds: float, most: int = MOST
) -> Attack:
    """Let them come for so long, at most so many times. `host` is each one's number in its /24."""
    milliseconds = math.ceil(seconds * 1e3)
    arguments = (port, strangers.kind, strangers.sources, host, milliseconds, most)
    command = [str(program("attack")), *map(str, arguments)]
    done = await trio.run_process(command, capture_stdout=True)
    return msgspec.json.decode(done.stdout, type=Attack)
