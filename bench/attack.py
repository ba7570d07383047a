"""edge. `make attack`: strangers at the relay's doors, while honest people sign on.

    SHORT=1 python -m bench.attack [RESULTS]

A calm time first, then waves of strangers, each as fast as this machine can make connections; all
waves come three times. Honest sign-ons begin at a steady rate all the time. Prints a table, writes
RESULTS, or bench/attack.json, and exits with 1 when something did not hold. bench/README.md says
what is measured.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from bench.attack_figures import Criterion, Honest, Kind, criteria, ends_counted, most_lines
from bench.besieged import MEMORY, Besieged, besieged, dropped_connects
from bench.circumstances import circumstances
from bench.figures import table
from bench.honest import Agent, SignOn, Sources
from bench.honest import Honest as HonestPeople
from bench.programs import HERE, build_programs, compiled_relay
from bench.real_ends import RealEnds, real_ends
from bench.strangers import Attack, Strangers, attack, waves

AGENTS: Final = 4
"""Links on which honest requests are queued, besides the real agent's."""
ROUNDS: Final = 3
"""In the second, the relay's tables of sources are as full as they get."""
CALM: Final = -1
"""The number of the wave in which nobody comes."""
MIB: Final = 1 << 20
TOLD_LOOKS: Final = 10
"""Of the looks at the relay's memory, every so many-th is written: about one a second."""


@dataclass(frozen=True)
class Settings:
    """`sign_ons` honest ones during all waves, each of which has so many seconds."""

    sign_ons: int
    many: int
    """Sources of half of the waves; the others have one."""
    come_back: bool
    """Whether each round's strangers are those of the one before, or others."""
    wave_seconds: float
    calm_seconds: float
    whole_pause: float
    """Seconds between two whole sign-ons with real programs."""

    @property
    def per_second(self) -> float:
        return self.sign_ons / (self.wave_seconds * ROUNDS * len(waves(self.many)))


FULL: Final = Settings(1200, 10_000, False, 6.5, 30.0, 2.0)
SHORT: Final = Settings(200, 6_000, True, 0.8, 5.0, 1.0)
"""Where each wave is over so soon, its first moment counts for much: fewer newcomers, but more than
the relay has places for. In all they do not fill its tables, so they must come back."""


class Wave(msgspec.Struct, frozen=True):
    """One wave: who came, what they came to, how the relay and honest people fared meanwhile."""

    strangers: str
    door: str
    attack: Attack
    honest: Honest
    relay_cpu_share: float
    resident_most: int
    descriptors_most: int
    connects_dropped: int
    """By the kernel, because a listener's queue was full."""


@dataclass(frozen=True)
class Log:
    """Of each kind of strangers' ends: the most lines in ten seconds, and how many ends were told
    of, those after the waves included. `lines` in all, during the waves."""

    most: dict[Kind, int]
    ends: dict[Kind, int]
    lines: int


@dataclass(frozen=True)
class _Came:
    strangers: Strangers
    began: float
    ended: float
    attack: Attack
    cpu_seconds: float
    dropped: int


def main() -> None:
    settings = SHORT if os.environ.get("SHORT") else FULL
    build_programs()
    results, held = trio.run(_measure, settings)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "attack.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    sys.exit(0 if held else 1)


async def _measure(settings: Settings) -> tuple[dict[str, Any], bool]:
    trio.socket.set_custom_socket_factory(Sources())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with besieged(folder, AGENTS, compiled_relay()) as relay:
            # The relay has a CPU of its own, if there are two; everybody else shares the other.
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            address = f"127.0.0.1:{relay.validators}"
            async with real_ends(folder, relay.links, address) as ends:
                agents = [Agent(link) for link in relay.attach()]
                people = HonestPeople(address, agents)
                came = await _all_waves(settings, relay, people, ends)
                survived = relay.alive and all(agent.up for agent in agents)
            during = relay.lines()
        survived = survived and relay.process.returncode == 0
        log = Log(most_lines(during), ends_counted(relay.lines()), len(during))
    return _told(settings, relay, people.sign_ons, ends, came, survived, log)


async def _all_waves(
    settings: Settings, relay: Besieged, people: HonestPeople, ends: RealEnds
) -> list[_Came]:
    came: list[_Came] = []
    async with trio.open_nursery() as background:
        background.start_soon(relay.watch)
        for agent in people.agents:
            background.start_soon(agent.run)
        calm = round(settings.per_second * settings.calm_seconds)
        await people.at_rate(CALM, calm, settings.calm_seconds)
        over = trio.Event()
        async with trio.open_nursery() as honest:
            honest.start_soon(ends.again_and_again, settings.whole_pause, over)
            coming = waves(settings.many) * ROUNDS
            for number, strangers in enumerate(coming):
                count = _share_of(settings.sign_ons, number, len(coming))
                honest.start_soon(people.at_rate, number, count, settings.wave_seconds)
                host = number % (len(coming) // ROUNDS if settings.come_back else len(coming)) + 1
                came.append(await _wave(settings, relay, strangers, host))
            over.set()
        background.cancel_scope.cancel()
    return came


def _share_of(total: int, number: int, parts: int) -> int:
    """So many of `total` fall to the part `number`."""
    return total * (number + 1) // parts - total * number // parts


async def _wave(settings: Settings, relay: Besieged, strangers: Strangers, host: int) -> _Came:
    """With another `host` nobody of them has been there before."""
    port = relay.agents if strangers.door == "agents" else relay.validators
    began, used, dropped = trio.current_time(), relay.cpu(), dropped_connects()
    came = await attack(strangers, port, host, settings.wave_seconds)
    spent = relay.cpu() - used
    print(
        f"{strangers.name} at the {strangers.door}' door: "
        f"{came.attempted / came.seconds:.0f} connections a second",
        file=sys.stderr,
    )
    ended = trio.current_time()
    return _Came(strangers, began, ended, came, spent.total, dropped_connects() - dropped)


# ---- what is told ------------------------------------------------------------------------------


def _told(
    settings: Settings,
    relay: Besieged,
    sign_ons: Sequence[SignOn],
    ends: RealEnds,
    came: Sequence[_Came],
    survived: bool,
    log: Log,
) -> tuple[dict[str, Any], bool]:
    calm = _honest([each for each in sign_ons if each.wave == CALM])
    attacked = _honest([each for each in sign_ons if each.wave != CALM])
    told = [_wave_told(relay, number, each, sign_ons) for number, each in enumerate(came)]
    of_a_round = len(told) // ROUNDS
    peaks = [
        max(wave.resident_most for wave in told[first : first + of_a_round])
        for first in range(0, len(told), of_a_round)
    ]
    found = criteria(calm, attacked, ends.troubles, peaks, survived, log.most)
    results = {
        **circumstances(peer=False),
        "settings": settings,
        "memory_limit": MEMORY,
        "calm": calm,
        "attacked": attacked,
        "whole": {
            "sign_ons": len(ends.troubles),
            "troubles": [each for each in ends.troubles if each],
            "seconds": [round(each, 3) for each in ends.seconds],
        },
        "waves": told,
        "memory": [
            [round(x.at - relay.looks[0].at, 1), x.resident] for x in relay.looks[::TOLD_LOOKS]
        ],
        "log_lines": log.lines,
        "most_lines": {_name(kind): count for kind, count in log.most.items()},
        "ends": {_name(kind): count for kind, count in log.ends.items()},
        "criteria": found,
    }
    _print(calm, attacked, told, log, found)
    return results, all(each.holds for each in found)


def _name(kind: Kind) -> str:
    return " ".join(kind).strip()


def _honest(sign_ons: Sequence[SignOn]) -> Honest:
    return Honest.of(
        [each.whole for each in sign_ons if not each.trouble],
        [each.trouble for each in sign_ons if each.trouble],
    )


def _wave_told(relay: Besieged, number: int, came: _Came, sign_ons: Sequence[SignOn]) -> Wave:
    looks = [each for each in relay.looks if came.began <= each.at <= came.ended]
    return Wave(
        came.strangers.name,
        came.strangers.door,
        came.attack,
        _honest([each for each in sign_ons if each.wave == number]),
        round(came.cpu_seconds / (came.ended - came.began), 3),
        max((each.resident for each in looks), default=0),
        max((each.descriptors for each in looks), default=0),
        came.dropped,
    )


def _print(
    calm: Honest,
    attacked: Honest,
    waves: Sequence[Wave],
    log: Log,
    found: Sequence[Criterion],
) -> None:
    head = ["", "attempts/s", "connected/s", "dropped/s", "relay CPU", "MiB", "open"]
    head += ["honest", "lost", "p50 ms", "p99 ms"]
    rows = [["calm", *["-"] * 6, *_cells(calm)]]
    for wave in waves:
        came = wave.attack
        rates = (came.attempted, came.connected, wave.connects_dropped)
        rows.append(
            [
                wave.strangers,
                *(f"{each / came.seconds:.0f}" for each in rates),
                f"{wave.relay_cpu_share:.0%}",
                f"{wave.resident_most / MIB:.0f}",
                f"{wave.descriptors_most}",
                *_cells(wave.honest),
            ]
        )
    rows.append(["all waves", *["-"] * 6, *_cells(attacked)])
    print(table(head, rows))
    print()
    print(table(["told by the relay", ""], [[_name(k), str(n)] for k, n in log.ends.items()]))
    print()
    print(
        table(
            ["", "to hold", "found", ""],
            [[c.what, c.bound, c.found, "holds" if c.holds else "DOES NOT HOLD"] for c in found],
        )
    )


def _cells(honest: Honest) -> list[str]:
    lost = honest.sign_ons - honest.succeeded
    return [str(honest.sign_ons), str(lost), f"{honest.p50_ms:.1f}", f"{honest.p99_ms:.1f}"]


if __name__ == "__main__":
    main()
