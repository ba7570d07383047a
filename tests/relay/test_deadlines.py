"""Deadlines against the obvious thing: a list of pairs that is searched."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from relay.deadlines import Deadlines

times = st.one_of(
    st.floats(0, 100),
    st.integers(0, 500).map(lambda n: n / 100),
    st.integers(0, 500).map(lambda n: math.nextafter(n / 100, math.inf)),
)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), times),
            st.tuples(st.just("remove"), st.integers(0, 30)),
            st.tuples(st.just("due"), times),
        ),
        max_size=60,
    ),
    st.sampled_from([1, 10, 100]),
)
def test_never_early_at_most_a_step_late_and_nothing_is_lost(
    steps: list[tuple[str, float]], per_second: int
) -> None:
    deadlines: Deadlines[int] = Deadlines(per_second)
    kept: dict[int, float] = {}
    now = 0.0
    for thing, (step, value) in enumerate(steps):
        if step == "add":
            kept[thing] = now + value
            deadlines.add(thing, now + value)
        elif step == "remove" and value < thing:
            deadlines.remove(int(value), kept.pop(int(value), 0.0))
        elif step == "due":
            now += value
            due = deadlines.due(now)
            assert len(set(due)) == len(due)
            assert all(kept.pop(each) <= now for each in due)
        late = 1 / per_second + 1e-9
        assert all(when > now - late for when in kept.values())
        if kept:
            assert deadlines.next() <= min(kept.values()) + late
    assert sorted(deadlines.due(now + 1000)) == sorted(kept)
    assert deadlines.next() == math.inf


@given(times, st.sampled_from([10, 100]))
@example(0.29, 100)  # 29 / 100 * 100 is below 29
@example(0.35000000000000003, 100)  # times 100 it is 35, and 35 / 100 is before it
@example(3.3000000000000003, 10)
def test_at_the_moment_that_next_names_something_is_due(when: float, per_second: int) -> None:
    """Else whoever sleeps until then would wake, find nothing, and sleep for no time at all."""
    deadlines: Deadlines[str] = Deadlines(per_second)
    deadlines.add("it", when)
    assert when <= deadlines.next() <= when + 1 / per_second + 1e-9
    assert deadlines.due(math.nextafter(deadlines.next(), -math.inf)) == []
    assert deadlines.due(deadlines.next()) == ["it"]


def test_what_was_taken_out_can_be_added_again_at_once_and_is_not_due_twice() -> None:
    deadlines: Deadlines[str] = Deadlines(100)
    deadlines.add("it", 1.0)
    for again in deadlines.due(5.0):
        deadlines.add(again, 1.0)
    assert deadlines.due(5.0) == ["it"]
    assert deadlines.due(5.0) == []


def test_removing_what_is_not_there_changes_nothing() -> None:
    deadlines: Deadlines[str] = Deadlines(100)
    deadlines.remove("it", 1.0)
    deadlines.add("it", 1.0)
    deadlines.remove("other", 1.0)
    deadlines.remove("it", 2.0)
    assert deadlines.due(1.0) == ["it"]


def test_coming_and_going_leaves_nothing_that_grows() -> None:
    deadlines: Deadlines[int] = Deadlines(100)
    for thing in range(10_000):
        deadlines.add(thing, 1.0)
        deadlines.remove(thing, 1.0)
    assert len(deadlines._order) == len(deadlines._buckets) == 1
    assert deadlines.due(1.0) == []
    assert deadlines.next() == math.inf


def test_nobody_wakes_for_what_was_removed() -> None:
    deadlines: Deadlines[str] = Deadlines(100)
    for thing, when in (("one", 1.0), ("two", 2.0), ("three", 3.0), ("four", 4.0)):
        deadlines.add(thing, when)
    for thing, when in (("one", 1.0), ("two", 2.0), ("four", 4.0)):
        deadlines.remove(thing, when)
    assert deadlines.next() == 3.0
    deadlines.add("one", 1.0)
    assert deadlines.next() == 1.0
    assert deadlines.due(3.0) == ["one", "three"]
    assert deadlines.next() == math.inf
