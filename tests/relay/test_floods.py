"""Floods: one record per kind and window, and not one end is lost."""

import math
from collections import Counter
from itertools import pairwise
from typing import Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.floods import MOST_NETWORKS, WINDOW, Floods, Kind
from relay.outcomes import LinkOutcome, ValidatorOutcome
from relay.peers import Peer
from relay.records import (
    LinkEnded,
    NoDescriptor,
    Record,
    Repeated,
    RequestEnded,
    ValidatorEnded,
)
from tests.relay.pure_relay import TAG, PureRelay, asking_for

NOW: Final = 1000.0
SILENT: Final = ValidatorOutcome.SILENT
OTHER: Final = ValidatorOutcome.MALFORMED


def peer(*packed: int) -> Peer:
    return Peer(bytes(packed), 4711)


ONE: Final = peer(192, 0, 2, 1)


def new() -> tuple[Floods, list[Record]]:
    """And where it tells."""
    records: list[Record] = []
    return Floods(records), records


def told(records: list[Record]) -> list[Repeated]:
    found = [record for record in records if isinstance(record, Repeated)]
    assert found == records
    records.clear()
    return found


def test_one_alone_is_told_and_then_forgotten() -> None:
    floods, records = new()
    assert floods.next() == math.inf
    assert floods.is_first(SILENT, ONE, NOW)
    assert floods.next() == NOW + WINDOW
    floods.tell(NOW + WINDOW)
    assert records == []
    assert floods.next() == math.inf
    assert floods.is_first(SILENT, ONE, NOW + WINDOW)


def test_the_others_are_counted_and_told_of_once() -> None:
    floods, records = new()
    assert floods.is_first(SILENT, ONE, NOW)
    for last in range(5):
        assert not floods.is_first(SILENT, peer(203, 0, last % 2, last), NOW + last)
    floods.tell(NOW + WINDOW - 0.01)
    assert records == []
    floods.tell(NOW + WINDOW + 0.5)
    assert told(records) == [
        Repeated(
            what="validator ended",
            outcome="silent",
            count=5,
            networks=2,
            source="203.0.0.0/24",
            lasted=WINDOW + 0.5,
        )
    ]


def test_after_a_summary_there_is_no_other_line_for_as_long_again() -> None:
    floods, records = new()
    floods.is_first(SILENT, ONE, NOW)
    floods.is_first(SILENT, ONE, NOW)
    floods.tell(NOW + WINDOW + 1)
    assert len(told(records)) == 1
    assert not floods.is_first(SILENT, ONE, NOW + WINDOW + 2)
    floods.tell(NOW + 2 * WINDOW + 0.9)
    assert records == []
    floods.tell(NOW + 2 * WINDOW + 1)
    assert [record.count for record in told(records)] == [1]
    floods.tell(NOW + 3 * WINDOW + 1)
    assert records == []
    assert floods.is_first(SILENT, ONE, NOW + 3 * WINDOW + 1)


def test_kinds_do_not_hide_one_another() -> None:
    floods, records = new()
    kinds: list[Kind] = [*ValidatorOutcome, *LinkOutcome, None]
    assert all(floods.is_first(kind, ONE, NOW) for kind in kinds)
    assert not any(floods.is_first(kind, ONE, NOW) for kind in kinds)
    floods.tell(NOW + WINDOW)
    said = [(record.what, record.outcome) for record in told(records)]
    assert said == [
        *[("validator ended", outcome.value) for outcome in ValidatorOutcome],
        *[("link ended", outcome.value) for outcome in LinkOutcome],
        ("no descriptor left", ""),
    ]


@pytest.mark.parametrize(("who", "source"), [(4242, "uid:4242"), (None, "")])
def test_who_has_no_network(who: int | None, source: str) -> None:
    floods, records = new()
    floods.is_first(LinkOutcome.REFUSED, who, NOW)
    floods.is_first(LinkOutcome.REFUSED, who, NOW)
    floods.tell(NOW + WINDOW)
    [record] = told(records)
    assert (record.source, record.networks) == (source, 0 if who is None else 1)


def test_of_very_many_networks_not_all_are_kept() -> None:
    floods, records = new()
    for number in range(2 * MOST_NETWORKS + 1):
        floods.is_first(SILENT, peer(10, number >> 8, number & 255, 1), NOW)
    floods.tell(NOW + WINDOW)
    [record] = told(records)
    assert (record.count, record.networks) == (2 * MOST_NETWORKS, MOST_NETWORKS)


def test_what_was_counted_is_told_of_when_there_is_no_later() -> None:
    floods, records = new()
    for kind in (SILENT, SILENT, OTHER):
        floods.is_first(kind, ONE, NOW)
    floods.tell_all(NOW + 1)
    [record] = told(records)
    assert (record.outcome, record.count, record.lasted) == ("silent", 1, 1.0)
    assert floods.next() == math.inf


@given(
    st.lists(
        st.tuples(st.sampled_from([SILENT, OTHER, None]), st.floats(0, 25), st.booleans()),
        max_size=50,
    )
)
def test_every_end_is_told_of_once_and_no_kind_more_often_than_it_may(
    ends: list[tuple[Kind, float, bool]],
) -> None:
    """However late it is woken."""
    floods, records = new()
    lines: dict[Kind, list[tuple[float, int]]] = {SILENT: [], OTHER: [], None: []}
    by_word: dict[str, Kind] = {"silent": SILENT, "malformed": OTHER, "": None}
    now = NOW

    def note() -> None:
        for record in told(records):
            lines[by_word[record.outcome]].append((now, record.count))

    for kind, pause, woken in ends:
        now += pause
        if woken:
            floods.tell(now)
            assert floods.next() > now
        note()
        if floods.is_first(kind, ONE, now):
            lines[kind].append((now, 1))
    floods.tell_all(now)
    last = {kind: len(of_kind) for kind, of_kind in lines.items()}
    note()
    for kind, of_kind in lines.items():
        assert sum(count for _, count in of_kind) == sum(end[0] is kind for end in ends)
        times = [when for when, _ in of_kind[: last[kind]]]
        assert all(b - a >= WINDOW - 1e-6 for a, b in pairwise(times))


# ---- in the broker -------------------------------------------------------------------------------


def counted(records: list[Record]) -> Counter[tuple[str, str]]:
    """How many ends each event and outcome stands for."""
    found: Counter[tuple[str, str]] = Counter()
    for record in records:
        match record:
            case Repeated():
                found[record.what, record.outcome] += record.count
            case ValidatorEnded():
                found["validator ended", record.outcome.value] += 1
            case LinkEnded():
                found["link ended", record.outcome.value] += 1
            case NoDescriptor():
                found["no descriptor left", ""] += 1
            case _:
                pass
    return found


def test_a_flood_of_each_kind_is_a_line_now_and_one_later() -> None:
    relay = PureRelay(source_burst=20, silent_price=1, link_setup=2)
    for _ in range(10):
        relay.validator(b"rubbish")
        relay.validator().leave()
        relay.link().feed(b"rubbish")
        relay.link(4711)
        relay.link(None)
        relay.broker.starved(7, relay.now)
    for _ in range(10):
        relay.validator_or_none()
    relay.wait(9)
    early = relay.records()
    assert not any(isinstance(record, Repeated) for record in early)
    relay.wait(20)
    late = relay.records()
    assert all(isinstance(record, Repeated) for record in late)
    expected = {
        ("validator ended", "malformed"): 10,
        ("validator ended", "left"): 10,
        ("validator ended", "refused"): 10,
        ("link ended", "malformed"): 10,
        ("link ended", "refused"): 10,
        ("link ended", "slow-setup"): 10,
        ("no descriptor left", ""): 10,
    }
    assert counted(early) == dict.fromkeys(expected, 1)
    assert counted(early + late) == expected


def test_what_agents_do_is_all_told() -> None:
    relay = PureRelay()
    records: list[Record] = []
    for _ in range(10):
        agent = relay.agent()
        agent.queue(TAG)
        relay.validator(asking_for(TAG)).leave()
        agent.leave()
        records += relay.records()
    assert sum(isinstance(record, RequestEnded) for record in records) == 10
    assert counted(records) == {("link ended", "closed"): 10}
    assert not any(isinstance(record, Repeated) for record in records)


def test_what_is_counted_when_the_relay_stops_is_told() -> None:
    relay = PureRelay()
    for _ in range(10):
        relay.validator()
    relay.broker.stop(relay.now)
    assert counted(relay.records()) == {("validator ended", "drained"): 10}
