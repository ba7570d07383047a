"""Leaky buckets."""

import hypothesis.strategies as st
from hypothesis import given

from relay.buckets import Bucket, Size

NOW = 1000.0


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    bucket = Bucket(Size(rate=2, burst=3, most=3), NOW)
    for _ in range(3):
        assert not bucket.is_full(NOW)
        bucket.add(1, NOW)
    assert bucket.is_full(NOW + 0.49)
    assert not bucket.is_full(NOW + 0.5)
    bucket.add(1, NOW + 0.5)
    assert bucket.is_full(NOW + 0.5)


def test_it_is_empty_when_all_has_drained_and_is_never_less() -> None:
    bucket = Bucket(Size(rate=2, burst=3, most=3), NOW)
    assert bucket.is_empty(NOW)
    bucket.add(1, NOW)
    assert not bucket.is_empty(NOW + 0.49)
    assert bucket.is_empty(NOW + 0.5)
    bucket.add(-100, NOW + 0.5)
    bucket.add(1, NOW + 0.5)
    assert not bucket.is_empty(NOW + 0.99)
    assert bucket.is_empty(NOW + 1)


def test_it_holds_no_more_than_it_may() -> None:
    bucket = Bucket(Size(rate=1, burst=3, most=10), NOW)
    bucket.add(1e9, NOW)
    assert not bucket.is_empty(NOW + 9.9)
    assert bucket.is_empty(NOW + 10)


quarters = st.integers(-8, 40).map(lambda count: count / 4)


@given(st.lists(st.tuples(quarters, st.integers(0, 20)), max_size=40))
def test_like_one_that_drains_a_quarter_at_a_time(steps: list[tuple[float, int]]) -> None:
    """In quarters nothing is rounded."""
    size = Size(rate=1, burst=4, most=12)
    bucket, level, now = Bucket(size, NOW), 0.0, NOW
    for amount, pauses in steps:
        for _ in range(pauses):
            now += 0.25
            level = level - 0.25 if level > 0.25 else 0.0
        assert bucket.is_full(now) == (level > 3)
        assert bucket.is_empty(now) == (level == 0)
        bucket.add(amount, now)
        level = sorted([0.0, level + amount, 12.0])[1]
