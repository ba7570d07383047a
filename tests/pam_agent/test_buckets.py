from hypothesis import given
from hypothesis import strategies as st

from pam_agent.buckets import Buckets


def test_who_was_not_seen_for_longest_is_forgotten_first() -> None:
    buckets: Buckets[str] = Buckets(1, 1.0, 2)
    for key in ("one", "two", "one", "three"):
        buckets.add(key, 0.0, 1)
    assert buckets.room("two", 0.0)
    assert not buckets.room("one", 0.0)
    assert not buckets.room("three", 0.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60))
def test_a_bucket_never_lets_through_more_than_its_pace(steps: list[tuple[float, bool]]) -> None:
    buckets: Buckets[str] = Buckets(3, 2.0, 10)
    moment, entered = 0.0, []
    for pause, _ in steps:
        moment += pause
        if buckets.room("key", moment):
            buckets.add("key", moment, 1)
            entered.append(moment)
    for first, begin in enumerate(entered):
        for count, end in enumerate(entered[first:], start=1):
            assert count <= 3 + (end - begin) / 2.0 + 1e-6


def test_what_is_given_back_is_there_again_and_no_more_than_that() -> None:
    buckets: Buckets[str] = Buckets(1, 1.0, 2)
    buckets.add("key", 0.0, 1)
    assert not buckets.room("key", 0.0)
    buckets.add("key", 0.0, -3)
    assert len(buckets) == 0
    buckets.add("key", 0.0, 1)
    assert not buckets.room("key", 0.0)
