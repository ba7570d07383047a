"""edge. `make bench`: everything that is measured, in one go, on loopback.

    ROUNDS=5 SIGN_ONS=20000 WAITING=1,100,10000,100000 WHOLE=200 python -m bench.run [RESULTS]

In each round all contestants take turns, so that what the machine does meanwhile hits all of them.
Prints tables, and writes RESULTS, or bench/results.json.
"""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from bench.circumstances import circumstances
from bench.contestants import ALL, ContestantError
from bench.figures import (
    BYTES_PER_WAITING,
    OURS,
    WHOLE_MS,
    Round,
    Spread,
    Verdict,
    figures_table,
    number,
    range_text,
    spreads,
    table,
    verdicts,
    verdicts_table,
)
from bench.generator import GeneratorError
from bench.measure import (
    IN_FLIGHT,
    SettingError,
    Settings,
    measure_growth,
    measure_round,
    settings_from,
)
from bench.programs import HERE, build_programs, transit_environment
from bench.whole import measure_whole

COLUMNS: Final = {
    "cpu_us": "CPU us",
    "user_us": "user",
    "system_us": "system",
    "per_second": "per s",
    "p50_us": "p50 us",
    "p99_us": "p99 us",
    "delay_us": "delay us",
}
COUNTED_COLUMNS: Final = {
    "user_cycles": "user cycles",
    "kernel_cycles": "kernel cycles",
    "user_instructions": "user instructions",
    "kernel_instructions": "kernel instructions",
}
GROWTH_COLUMNS: Final = {
    "bytes_per_waiting": "bytes each",
    "cpu_us": "CPU us",
    "p50_us": "p50 us",
    "p99_us": "p99 us",
    "single_p50_us": "one at a time us",
}
COUNTED_GROWTH_COLUMNS: Final = {"user_instructions": "user instructions"}
DIRECT: Final = "direct"
"""No relay: what each delays a sign-on is told against it."""
GROWING: Final = tuple(
    c for c in ALL if c.name in {OURS, "floor_links-16", "floor_pairs", "transit"}
)
MEANT: Final = 10_000
"""Bytes for one waiting request are told for this many and more: below it is the noise of pages."""
SPARE_FILES: Final = 4096


def main() -> None:
    try:
        _measure(settings_from(os.environ))
    except (SettingError, ContestantError, GeneratorError) as error:
        sys.exit(f"bench: {error}")


def _measure(settings: Settings) -> None:
    sockets = _waiting_sockets(max(settings.waiting))
    build_programs()
    transit_environment()
    rounds: list[Round] = []
    growth = []
    for each in range(settings.rounds):
        rounds.append(measure_round(ALL, settings, DIRECT))
        _tell(each, rounds[-1])
        growth.append({c.name: measure_growth(c, settings, sockets) for c in GROWING})
    whole = {
        name: Spread.of(times) for name, times in trio.run(measure_whole, settings.whole).items()
    }
    grown = {
        waiting: spreads(
            [
                [{name: by[waiting] for name, by in measured.items() if waiting in by}]
                for measured in growth
            ]
        )
        for waiting in settings.waiting
    }
    found = verdicts(rounds) + _more_verdicts(grown, whole)
    results = {
        **circumstances(),
        "settings": settings,
        "in_flight": IN_FLIGHT,
        "figures": spreads(rounds),
        "growth": grown,
        "not_measured": list(_not_measured(settings, sockets)),
        "whole": whole,
        "targets": [msgspec.to_builtins(verdict) | {"holds": verdict.holds} for verdict in found],
    }
    _print(results, found)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def _tell(each: int, measured: Round) -> None:
    for name, figures in spreads([measured]).items():
        found = number(figures["cpu_us"].median)
        print(f"round {each + 1}: {name}: {found} us of CPU", file=sys.stderr)


def _more_verdicts(
    grown: dict[int, dict[str, dict[str, Spread]]], whole: dict[str, Spread]
) -> list[Verdict]:
    found = [
        Verdict(
            f"bytes for each of {waiting} waiting",
            BYTES_PER_WAITING,
            by[OURS]["bytes_per_waiting"],
        )
        for waiting, by in grown.items()
        if waiting >= MEANT
    ]
    return [
        *found,
        Verdict("PAM's call to the prompt, ms", WHOLE_MS, whole["prompt_ms"]),
        Verdict("approval to PAM's result, ms", WHOLE_MS, whole["result_ms"]),
    ]


def _print(results: dict[str, Any], found: list[Verdict]) -> None:
    settings = results["settings"]
    print(
        f"\nOne sign-on, {IN_FLIGHT} in flight, {settings.sign_ons} in each of "
        f"{settings.rounds} rounds: median (least-most).\n"
        "CPU is that of the relay's process; delay: one at a time, against no relay.\n"
    )
    print(figures_table(COLUMNS, results["figures"]))
    counted = all(set(COUNTED_COLUMNS) <= set(each) for each in results["figures"].values())
    if counted:
        print()
        print(figures_table(COUNTED_COLUMNS, results["figures"]))
    columns = GROWTH_COLUMNS | (COUNTED_GROWTH_COLUMNS if counted else {})
    for waiting, figures in results["growth"].items():
        print(f"\nWith {waiting} waiting\n")
        print(figures_table(columns, figures))
    for line in results["not_measured"]:
        print(f"\n{line}")
    print("\nThe whole sign-on, both ends' cryptography included, ms\n")
    print(table(["", "median"], [[n, range_text(s)] for n, s in results["whole"].items()]))
    print()
    print(verdicts_table(found))


def _waiting_sockets(wanted: int) -> int:
    """How many requests may wait of which each is an open file, here and at the relay.

    Raises the limit that the relays inherit as far as the system lets it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_FILES
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), max(hard, needed)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES


def _not_measured(settings: Settings, sockets: int) -> Iterator[str]:
    names = ", ".join(c.name for c in GROWING if not c.links)
    for waiting in settings.waiting:
        if waiting > sockets:
            yield (
                f"{names} were not measured with {waiting} waiting: "
                f"this system lets a process open {sockets + SPARE_FILES} files"
            )


if __name__ == "__main__":
    main()
