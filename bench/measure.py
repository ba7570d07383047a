"""edge. Measures contestants: busy, one sign-on at a time, and with more and more that wait."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import Contestant, Running, running
from bench.counters import counting
from bench.generator import Run
from bench.process import Cpu, cpu, memory, settle

IN_FLIGHT: Final = 64
WARM_UP: Final = 1000
"""Sign-ons before anything is measured."""
SINGLE: Final = 500
"""Sign-ons that are played one at a time."""

COUNTED: Final = 2000
"""Sign-ons whose instructions are counted."""

TURNS: Final = 20
"""In each round. Somebody else's work slows a machine for seconds: what is compared has to run
within less. So few sign-ons at a time are still many times those in flight."""


class SettingError(Exception):
    """A setting makes no sense; which, what was found, and what is expected."""


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    rounds: int
    sign_ons: int
    waiting: tuple[int, ...]
    """How many requests wait in the background, ascending."""
    whole: int
    """Sign-ons with real ends."""


def measure_round(
    contestants: Sequence[Contestant], settings: Settings, direct: str
) -> list[dict[str, dict[str, float]]]:
    """The figures of each turn, by names: fresh processes with nothing else to do take turns.

    What is measured once in the round is in each turn the same, with what each relay delays one
    sign-on, against `direct`.
    """
    with ExitStack() as stack:
        relays: dict[str, Running] = {}
        for contestant in contestants:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            relays[contestant.name] = stack.enter_context(running(contestant, folder))
        for relay in relays.values():
            relay.generator.run(WARM_UP, IN_FLIGHT)
            settle(relay.pid)
        before = {name: cpu(relay.pid) for name, relay in relays.items()}
        sign_ons = max(settings.sign_ons // TURNS, IN_FLIGHT)
        turns = [
            {name: _busy(relay, sign_ons) for name, relay in relays.items()} for _ in range(TURNS)
        ]
        once = {
            name: _split(cpu(relay.pid) - before[name], sign_ons * TURNS)
            | _single(relay)
            | _instructions(relay)
            for name, relay in relays.items()
        }
    base = once[direct]["single_p50_us"]
    for figures in once.values():
        figures["delay_us"] = figures["single_p50_us"] - base
    return [{name: figures | once[name] for name, figures in turn.items()} for turn in turns]


def measure_growth(
    contestant: Contestant, settings: Settings, sockets: int
) -> dict[int, dict[str, float]]:
    """The figures, and memory, for each number of waiting requests.

    Where each of them is a socket, at most `sockets` can wait.
    """
    counts = [n for n in settings.waiting if contestant.links or n <= sockets]
    grown = _memory(contestant, counts)
    found: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, running(contestant, Path(folder)) as relay:
        relay.generator.run(WARM_UP, IN_FLIGHT)
        for waiting in counts:
            relay.generator.wait(waiting)
            found[waiting] = (
                {"bytes_per_waiting": grown[waiting] / waiting}
                | _busy(relay, max(settings.sign_ons // 4, IN_FLIGHT))
                | _single(relay)
                | _instructions(relay)
            )
    return found


def _memory(contestant: Contestant, counts: Sequence[int]) -> dict[int, int]:
    """Bytes by which a process of its own grows.

    One that is busy in between grows and shrinks by more than some requests need.
    """
    with tempfile.TemporaryDirectory() as folder, running(contestant, Path(folder)) as relay:
        relay.generator.run(WARM_UP, IN_FLIGHT)
        settle(relay.pid)
        empty = memory(relay.pid)
        found: dict[int, int] = {}
        for waiting in counts:
            relay.generator.wait(waiting)
            settle(relay.pid)
            found[waiting] = memory(relay.pid) - empty
    return found


def _busy(relay: Running, sign_ons: int) -> dict[str, float]:
    """CPU of the relay's process for one sign-on, and times, with IN_FLIGHT at a time."""
    run, used = _run(relay, sign_ons, IN_FLIGHT)
    return {
        "cpu_us": used.total * 1e6 / sign_ons,
        "per_second": sign_ons / run.seconds,
        "p50_us": run.exchange_us.p50,
        "p99_us": run.exchange_us.p99,
        "whole_p50_us": run.whole_us.p50,
        "whole_p99_us": run.whole_us.p99,
        "generator_cpu_us": run.load_cpu_us,
        "busy_share": used.total / run.seconds,
    }


def _split(used: Cpu, sign_ons: int) -> dict[str, float]:
    """The kernel samples it: that needs some time."""
    return {"user_us": used.user * 1e6 / sign_ons, "system_us": used.system * 1e6 / sign_ons}


def _single(relay: Running) -> dict[str, float]:
    run, used = _run(relay, SINGLE, 1)
    return {"single_p50_us": run.exchange_us.p50, "single_cpu_us": used.total * 1e6 / SINGLE}


def _instructions(relay: Running) -> dict[str, float]:
    """For one sign-on of many at a time; empty where they cannot be counted."""
    with counting(relay.pid) as counted:
        relay.generator.run(COUNTED, IN_FLIGHT)
        settle(relay.pid)
    return {name: count / COUNTED for name, count in counted.items()}


def _run(relay: Running, sign_ons: int, in_flight: int) -> tuple[Run, Cpu]:
    settle(relay.pid)
    before = cpu(relay.pid)
    run = relay.generator.run(sign_ons, in_flight)
    settle(relay.pid)
    return run, cpu(relay.pid) - before


def settings_from(environment: Mapping[str, str]) -> Settings:
    """ROUNDS, SIGN_ONS, WAITING and WHOLE. Raises SettingError."""

    def numbers(name: str, default: str) -> tuple[int, ...]:
        text = environment.get(name, default)
        parts = text.split(",")
        if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
            raise SettingError(f"{name}={text}: expected numbers from 1")
        return tuple(sorted({int(part) for part in parts}))

    def one(name: str, default: str) -> int:
        found = numbers(name, default)
        if len(found) > 1:
            raise SettingError(f"{name}: expected one number")
        return found[0]

    return Settings(
        one("ROUNDS", "5"),
        one("SIGN_ONS", "20000"),
        numbers("WAITING", "1,100,10000,100000"),
        one("WHOLE", "200"),
    )
