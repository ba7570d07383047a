"""edge. Makes FIGURES.md out of results.json; `make bench` does it at its end.

python -m bench.page
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from bench.figures import Spread, number, range_text
from bench.programs import HERE

COLUMNS: Final = {
    "cpu_us": "CPU µs",
    "user_us": "user",
    "system_us": "system",
    "user_instructions": "user instructions",
    "kernel_instructions": "kernel instructions",
    "per_second": "per s",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "delay_us": "delay µs",
}
GROWTH_COLUMNS: Final = {
    "bytes_per_waiting": "bytes each",
    "cpu_us": "CPU µs",
    "user_instructions": "user instructions",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
}

Figures = dict[str, dict[str, Spread]]


class Told(msgspec.Struct):
    """What came out for one target."""

    what: str
    at_most: float
    found: Spread
    holds: bool


class Results(msgspec.Struct):
    """What of results.json is shown."""

    machine: dict[str, Any]
    versions: dict[str, str]
    commit: str
    date: str
    settings: dict[str, Any]
    in_flight: int
    figures: Figures
    growth: dict[str, Figures]
    not_measured: list[str]
    whole: dict[str, Spread]
    targets: list[Told]


def page(results: Results) -> str:
    settings, machine = results.settings, results.machine
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines = [
        "# What was measured last",
        "",
        "This page is made from `results.json` by `python -m bench.page`; README.md says what each",
        "figure is, and `make bench` measures all of them anew.",
        "",
        f"Measured {results.date} at commit {results.commit[:12]}: {settings['rounds']} rounds of",
        f"{settings['sign_ons']} sign-ons, {results.in_flight} in flight; {machine['cpu']}, "
        f"{machine['cpus']} CPUs, Linux",
        f"{machine['kernel']}, {machine['system']}; {versions}.",
        "Each figure of a round is the median of 20 turns; told is the median of rounds, and in",
        "brackets the least and the most.",
        "",
        "## One sign-on",
        "",
        *rows(results.figures, COLUMNS),
        "",
        "## Targets",
        "",
        *markdown(
            ["target", "at most", "found", ""],
            (
                [t.what, number(t.at_most), range_text(t.found), "holds" if t.holds else "MISSED"]
                for t in results.targets
            ),
        ),
        "",
        "## The whole sign-on, with both ends' cryptography, ms",
        "",
        *markdown(["", "median"], ([n, range_text(s)] for n, s in results.whole.items())),
    ]
    for waiting, figures in results.growth.items():
        lines += ["", f"## With {waiting} waiting", "", *rows(figures, GROWTH_COLUMNS)]
    for line in results.not_measured:
        lines += ["", f"{line}."]
    return "\n".join(lines) + "\n"


def rows(figures: Figures, columns: Mapping[str, str]) -> Iterator[str]:
    """What could not be measured on that machine is left empty."""
    return markdown(
        ["", *columns.values()],
        (
            [name, *(range_text(found[key]) if key in found else "" for key in columns)]
            for name, found in figures.items()
        ),
    )


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in body:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    results = msgspec.json.decode((HERE / "results.json").read_bytes(), type=Results)
    (HERE / "FIGURES.md").write_text(page(results))


if __name__ == "__main__":
    main()
