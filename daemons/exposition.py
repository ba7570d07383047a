"""pure. Metrics in the text format of Prometheus, version 0.0.4.

prometheus.io/docs/instrumenting/exposition_formats. It is a dozen lines of format, so no library is
shipped for it; the tests read it with the official one.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """One metric: a sample for each set of labels. `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    text: str
    samples: Sequence[tuple[str, Labels, float]]
    """Suffix of the name, labels, value."""


def counter(name: str, text: str, by: Sequence[tuple[Labels, float]]) -> Family:
    """What only grows; `name` ends with _total."""
    return Family(name, "counter", text, [("", labels, value) for labels, value in by])


def gauge(name: str, text: str, by: Sequence[tuple[Labels, float]]) -> Family:
    """What goes up and down."""
    return Family(name, "gauge", text, [("", labels, value) for labels, value in by])


class Histogram:
    """How often a value was at most each of `bounds`, which grow."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds: Final = (*bounds, math.inf)
        self._counts: Final = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, text: str) -> Family:
        samples: list[tuple[str, Labels, float]] = [
            ("_bucket", {"le": _number(bound)}, count)
            for bound, count in zip(self._bounds, accumulate(self._counts), strict=True)
        ]
        samples += [("_sum", {}, self._sum), ("_count", {}, sum(self._counts))]
        return Family(name, "histogram", text, samples)


def exposition(families: Sequence[Family]) -> bytes:
    """The page that Prometheus reads."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> Iterator[str]:
    text = family.text.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {text}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for suffix, labels, value in family.samples:
        named = ",".join(f'{name}="{_escaped(each)}"' for name, each in labels.items())
        in_braces = f"{{{named}}}" if named else ""
        yield f"{family.name}{suffix}{in_braces} {_number(value)}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
