"""The two-sample test of Kolmogorov and Smirnov, for samples of equal size: exact."""

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction


def farthest(one: Sequence[float], other: Sequence[float]) -> int:
    """The greatest distance between the two distribution functions, in steps of 1/n."""
    steps = sorted([(each, 1) for each in one] + [(each, -1) for each in other])
    most = ahead = 0
    for _value, ties in itertools.groupby(steps, key=lambda step: step[0]):
        ahead += sum(step for _, step in ties)
        most = max(most, abs(ahead))
    return most


def probability(n: int, steps: int) -> float:
    """Of a distance of at least `steps` between two samples of `n` from one distribution.

    Gnedenko and Korolyuk, 1951: the walks of n steps up and n down that reach so far from zero,
    counted by reflection. Ties between the samples make the true one smaller still.
    """
    if steps == 0:
        return 1.0
    turns = range(1, n // steps + 1)
    reaching = sum((-1) ** (j + 1) * math.comb(2 * n, n + j * steps) for j in turns)
    return float(Fraction(2 * reaching, math.comb(2 * n, n)))


def p_values(samples: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], float]:
    """Of every pair, the least first."""
    found: dict[tuple[str, str], float] = {}
    for a, b in itertools.combinations(samples, 2):
        assert len(samples[a]) == len(samples[b])
        found[a, b] = probability(len(samples[a]), farthest(samples[a], samples[b]))
    return dict(sorted(found.items(), key=lambda item: item[1]))
