"""pure. From what was seen during an attack to what is asserted of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

LEAST_SHARE: Final = 0.999
"""Of the honest sign-ons during an attack, that go through."""
GROWTH: Final = "growth of their p99 against calm, s"
MOST_GROWTH_SECONDS: Final = 1.0
MOST_MEMORY_RATIO: Final = 1.05
"""Of the memory's peak in the last round of the same waves, to that in the round before."""
PERIOD_SECONDS: Final = 10.0
MOST_LINES: Final = 1
"""Of one kind in the log, in any PERIOD_SECONDS."""
CLOCK_SECONDS: Final = 1.0
"""How much too early a line may be: one that a busy machine writes late does not move the next."""

_HONEST: Final = {("relay up", ""), ("relay stopping", ""), ("relay down", "")}
"""Lines of the relay's own. What names an agent is not a stranger's either."""

Kind = tuple[str, str]
"""Event and outcome of a line in the log, or of those that it stands for."""


@dataclass(frozen=True)
class Criterion:
    """Something that must hold, and what was found."""

    what: str
    bound: str
    found: str
    holds: bool


class Honest(msgspec.Struct, frozen=True):
    """Of some honest sign-ons: how many, how many went through, how long those took in ms."""

    sign_ons: int
    succeeded: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    troubles: dict[str, int]

    @classmethod
    def of(cls, seconds: Iterable[float], troubles: Iterable[str]) -> "Honest":
        """`seconds` of those that went through, `troubles` of the others."""
        times = [1e3 * each for each in seconds]
        counted: dict[str, int] = {}
        for trouble in troubles:
            counted[trouble] = counted.get(trouble, 0) + 1
        p50, p99, most = (round(percentile(times, share), 3) for share in (0.5, 0.99, 1.0))
        total = len(times) + sum(counted.values())
        return cls(total, len(times), p50, p99, most, counted)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def most_lines(lines: Iterable[Mapping[str, Any]]) -> dict[Kind, int]:
    """Of each kind that strangers caused, the most in any PERIOD_SECONDS."""
    times: dict[Kind, list[float]] = {}
    for line in lines:
        if (kind := _kind(line)) is not None:
            times.setdefault(kind, []).append(float(line.get("time", 0.0)))
    return {kind: _most_in_period(sorted(each)) for kind, each in sorted(times.items())}


def ends_counted(lines: Iterable[Mapping[str, Any]]) -> dict[Kind, int]:
    """Of each such kind, how many ends all lines tell of: some stand for many."""
    found: dict[Kind, int] = {}
    for line in lines:
        if (kind := _kind(line)) is not None:
            found[kind] = found.get(kind, 0) + int(line.get("count", 1))
    return dict(sorted(found.items()))


def _kind(line: Mapping[str, Any]) -> Kind | None:
    """None for what honest ends make: one line for each of them is what a log is for."""
    kind = (str(line.get("what", line["event"])), str(line.get("outcome", "")))
    return None if kind in _HONEST or line.get("agent") else kind


def _most_in_period(times: Sequence[float]) -> int:
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] >= PERIOD_SECONDS - CLOCK_SECONDS:
            first += 1
        most = max(most, last - first + 1)
    return most


def criteria(
    calm: Honest,
    attacked: Honest,
    whole_troubles: Sequence[str],
    peaks: Sequence[int],
    survived: bool,
    lines: Mapping[Kind, int],
) -> list[Criterion]:
    """`peaks`: bytes in each round of waves."""
    share = attacked.succeeded / attacked.sign_ons
    growth = (attacked.p99_ms - calm.p99_ms) / 1e3
    *_, before, last = peaks
    worst = max(lines.values(), default=0)
    whole = sum(not each for each in whole_troubles)
    return [
        Criterion(
            "honest sign-ons that succeed",
            f">= {LEAST_SHARE:.1%}",
            f"{share:.2%} ({attacked.succeeded} of {attacked.sign_ons})",
            share >= LEAST_SHARE,
        ),
        Criterion(
            GROWTH,
            f"<= {MOST_GROWTH_SECONDS:g}",
            f"{growth:.3f}",
            growth <= MOST_GROWTH_SECONDS,  # not NaN
        ),
        Criterion(
            "whole sign-ons with real programs that succeed",
            "all",
            f"{whole} of {len(whole_troubles)}",
            0 < whole == len(whole_troubles),
        ),
        Criterion("the relay lives under its limit of memory", "yes", _yes(survived), survived),
        Criterion(
            "memory's peak in the last round, to the one before",
            f"<= {MOST_MEMORY_RATIO:g}",
            f"{last / before:.3f}",
            last <= MOST_MEMORY_RATIO * before,
        ),
        Criterion(
            f"lines of a kind in {PERIOD_SECONDS:g} s of the log",
            f"<= {MOST_LINES}",
            str(worst),
            worst <= MOST_LINES,
        ),
    ]


def _yes(it_is: bool) -> str:
    return "yes" if it_is else "no"
