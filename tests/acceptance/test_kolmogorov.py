"""The test of Kolmogorov and Smirnov, against counting and against its published limits."""

import itertools
import math
import random

import pytest

from tests.acceptance.kolmogorov import farthest, p_values, probability


@pytest.mark.parametrize("n", range(1, 8))
def test_it_is_what_counting_every_order_gives(n: int) -> None:
    orders = [
        farthest(chosen, [x for x in range(2 * n) if x not in chosen])
        for chosen in itertools.combinations(range(2 * n), n)
    ]
    for steps in range(n + 1):
        share = sum(found >= steps for found in orders) / len(orders)
        assert probability(n, steps) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("level", "quantile"), [(0.10, 1.22385), (0.05, 1.35810), (0.01, 1.62762)])
def test_large_samples_are_at_the_published_quantiles(level: float, quantile: float) -> None:
    """Smirnov's table of 1948: the limit of sqrt(n / 2) times the distance."""
    n = 5000
    assert probability(n, round(quantile * math.sqrt(2 * n))) == pytest.approx(level, rel=0.03)


def test_the_distance_by_hand() -> None:
    assert farthest([1, 2, 3], [1, 2, 3]) == 0
    assert farthest([1, 2, 3], [4, 5, 6]) == 3
    assert farthest([1, 4, 5, 9], [2, 3, 6, 9]) == 1
    assert farthest([1, 1, 1, 2], [1, 2, 2, 2]) == 2, "ties are one step of both"


def test_every_pair_once_and_the_least_first() -> None:
    dice = random.Random(1)
    samples = {name: [dice.random() for _ in range(50)] for name in "abc"}
    samples["late"] = [1 + dice.random() for _ in range(50)]
    found = p_values(samples)
    assert len(found) == 6
    assert list(found.values()) == sorted(found.values())
    assert {pair for pair, p in found.items() if p < 1e-9} == {(x, "late") for x in "abc"}
