"""pure. From the measurements of all rounds to medians, ranges, ratios and a table.

In a round the contestants take turns. A ratio is made of two of them in one turn: what slows them
down slows both. A round's figure, or ratio, is the median of its turns.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Figures = Mapping[str, float]
"""One contestant in one turn: each figure by its name, which ends with its unit."""

Turn = Mapping[str, Figures]
"""By the contestant's name."""

Round = Sequence[Turn]
"""One after another."""

DIGITS: Final = 4
"""After the point: a nanosecond of CPU is far below what is measured."""


@dataclass(frozen=True)
class Spread:
    """Of one figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        known = list(values)
        return cls(*(round(x, DIGITS) for x in (statistics.median(known), min(known), max(known))))


@dataclass(frozen=True)
class Target:
    """A bound on a figure, or on its ratio to `other_figure` of `other` in the same turn."""

    what: str
    contestant: str
    figure: str
    at_most: float
    other: str = ""
    other_figure: str = ""

    def value(self, turn: Turn) -> float:
        own = turn[self.contestant][self.figure]
        return own / turn[self.other][self.other_figure] if self.other else own


@dataclass(frozen=True)
class Verdict:
    """A target, and what came out; it holds when the median is within the bound."""

    what: str
    at_most: float
    found: Spread

    @property
    def holds(self) -> bool:
        return self.found.median <= self.at_most


OURS: Final = "bartizan-16"

TARGETS: Final = (
    Target("CPU per sign-on, to floor_pairs", OURS, "cpu_us", 1.0, "floor_pairs", "cpu_us"),
    Target("CPU per sign-on, to floor_links", OURS, "cpu_us", 2.0, "floor_links-16", "cpu_us"),
    Target("CPU per sign-on, to transit", OURS, "cpu_us", 1 / 8, "transit", "cpu_us"),
    Target("p99 at 64 in flight, to transit's p50", OURS, "p99_us", 1.0, "transit", "p50_us"),
)
"""With 16 links, in one run."""

BYTES_PER_WAITING: Final = 600
WHOLE_MS: Final = 10.0


def spreads(rounds: Sequence[Round]) -> dict[str, dict[str, Spread]]:
    """Each figure of each contestant over the rounds."""

    def spread(name: str, figure: str) -> Spread:
        return _spread(rounds, lambda turn: turn[name][figure])

    return {
        name: {figure: spread(name, figure) for figure in figures}
        for name, figures in rounds[0][0].items()
    }


def verdicts(rounds: Sequence[Round], targets: Iterable[Target] = TARGETS) -> list[Verdict]:
    return [
        Verdict(target.what, target.at_most, _spread(rounds, target.value)) for target in targets
    ]


def _spread(rounds: Sequence[Round], value: Callable[[Turn], float]) -> Spread:
    return Spread.of(statistics.median(map(value, turns)) for turns in rounds)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they must be; all but the first to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def figures_table(columns: Mapping[str, str], figures: Mapping[str, Mapping[str, Spread]]) -> str:
    """A line for each contestant, and `columns` by the name of their figure."""
    return table(
        ["", *columns.values()],
        [
            [name, *(range_text(spread[figure]) for figure in columns)]
            for name, spread in figures.items()
        ],
    )


def verdicts_table(found: Iterable[Verdict]) -> str:
    return table(
        ["target", "at most", "found", ""],
        [
            [
                verdict.what,
                number(verdict.at_most),
                range_text(verdict.found),
                "holds" if verdict.holds else "MISSED",
            ]
            for verdict in found
        ],
    )


def range_text(spread: Spread) -> str:
    """`median (least-most)`."""
    return f"{number(spread.median)} ({number(spread.least)}-{number(spread.most)})"


def number(value: float) -> str:
    """Three digits that mean something."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"
