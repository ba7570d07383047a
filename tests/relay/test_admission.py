"""Admission: who is let in, what it costs, and how soon it is forgotten."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.admission import LOOKED_AT, Admission, Visit
from relay.limits import Limits
from relay.peers import Peer

NOW: Final = 1000.0


def peer(*packed: int) -> Peer:
    return Peer(bytes(packed), 4711)


ONE: Final = peer(192, 0, 2, 1)
NEIGHBOUR: Final = peer(192, 0, 2, 2)
OTHER: Final = peer(203, 0, 113, 1)


@dataclass
class Gate:
    """Admission, and the time."""

    limits: dict[str, Any]
    now: float = NOW
    admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.admission = Admission(Limits(**self.limits))

    def come(self, who: Peer = ONE) -> Visit:
        visit = self.admission.admit(who, self.now)
        assert visit is not None
        return visit

    def refused(self, who: Peer = ONE) -> bool:
        return self.admission.admit(who, self.now) is None

    def pay(self, price: float, who: Peer = ONE) -> None:
        """A connection that comes and goes."""
        self.come(who).cost(price, self.now)


# ---- the debt ------------------------------------------------------------------------------------


def test_as_many_as_the_burst_and_then_as_many_as_drain() -> None:
    gate = Gate({"source_burst": 3, "source_rate": 0.5})
    for _ in range(3):
        gate.pay(1)
    assert gate.refused()
    gate.now += 1.99
    assert gate.refused()
    gate.now += 0.02
    gate.pay(1)
    assert gate.refused()


def test_a_price_takes_the_place_of_what_the_connection_cost() -> None:
    gate = Gate({"source_burst": 10, "source_rate": 1e-6})
    visit = gate.come()
    visit.cost(9, gate.now)
    gate.come()
    assert gate.refused()


def test_what_was_good_is_given_back_and_no_more() -> None:
    gate = Gate({"source_burst": 2, "source_rate": 1e-6})
    for _ in range(10):
        gate.come().was_good(gate.now)
    first = gate.come()
    gate.now += 1e9
    first.was_good(gate.now)  # its 1 has drained long ago
    gate.pay(1)
    gate.pay(1)
    assert gate.refused()


def test_being_refused_costs_nothing() -> None:
    gate = Gate({"source_burst": 1, "source_rate": 1})
    gate.pay(1)
    for _ in range(1000):
        assert gate.refused()
    gate.now += 1
    gate.pay(1)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=20), st.floats(0.1, 1e4))
def test_whatever_it_did_it_is_let_in_again_in_time(prices: list[float], rate: float) -> None:
    gate = Gate({"source_rate": rate, "network_rate": rate, "longest_refusal": 60})
    visits = [gate.come() for _ in prices]
    for visit, price in zip(visits, prices, strict=True):
        visit.cost(price, gate.now)
    gate.now += 60.001
    assert not gate.refused()


def test_a_great_debt_is_kept_as_long_as_that() -> None:
    gate = Gate({"source_burst": 5, "source_rate": 2, "longest_refusal": 60})
    gate.pay(1e6)
    gate.now += 59.9
    assert gate.refused()


# ---- at a time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [Visit.was_good, lambda visit, now: visit.cost(1, now)])
def test_no_more_of_one_source_at_a_time(ends: Callable[[Visit, float], None]) -> None:
    gate = Gate({"unanswered_per_source": 2})
    first = gate.come()
    gate.come()
    assert gate.refused()
    assert not gate.refused(NEIGHBOUR)
    ends(first, gate.now)
    gate.come()
    assert gate.refused()


# ---- networks ------------------------------------------------------------------------------------


def test_sources_of_one_network_share_its_numbers() -> None:
    gate = Gate({"network_burst": 2, "network_rate": 1})
    gate.pay(1, ONE)
    gate.pay(1, NEIGHBOUR)
    assert gate.refused(ONE)
    assert gate.refused(NEIGHBOUR)
    assert gate.refused(peer(192, 0, 2, 3))
    assert not gate.refused(OTHER)
    gate.now += 1
    gate.pay(1, ONE)
    gate = Gate({"unanswered_per_network": 1})
    visit = gate.come(ONE)
    assert gate.refused(NEIGHBOUR)
    visit.was_good(gate.now)
    gate.come(NEIGHBOUR)


def test_by_ipv6_a_source_has_a_64_and_a_network_a_48() -> None:
    gate = Gate({"source_burst": 1, "source_rate": 1e-6, "network_burst": 2, "network_rate": 1e-6})
    start = [0x20, 1, 0xD, 0xB8, 0, 1]
    gate.pay(1, peer(*start, 0, 1, *[1] * 8))
    assert gate.refused(peer(*start, 0, 1, *[2] * 8))
    gate.pay(1, peer(*start, 0, 2, *[1] * 8))
    assert gate.refused(peer(*start, 0, 3, *[1] * 8))
    start[5] = 2
    gate.pay(1, peer(*start, 0, 1, *[1] * 8))


# ---- the crowd -----------------------------------------------------------------------------------


def source(number: int) -> Peer:
    """Each in a network of its own."""
    return peer(*(number * 256).to_bytes(4, "big"))


def crowded(**limits: Any) -> Gate:
    """Three strangers have come to nothing, and there is a crowd for a second."""
    gate = Gate({"crowd_burst": 3, "crowd_rate": 1, "source_rate": 0.125} | limits)
    for number in (1, 2, 3):
        gate.pay(1, source(number))
    return gate


def test_in_a_crowd_who_owes_waits_and_a_newcomer_gets_in() -> None:
    gate = crowded()
    assert gate.refused(source(1))
    assert not gate.refused(ONE)


def test_in_a_crowd_one_at_a_time() -> None:
    gate = crowded()
    visit = gate.come(ONE)
    gate.now += 1e6
    for number in (1, 2, 3):
        gate.pay(1, source(number))
    assert gate.refused(ONE)
    visit.was_good(gate.now)
    gate.pay(1, source(4))
    assert not gate.refused(ONE)


def test_a_crowd_is_over_when_strangers_stay_away() -> None:
    gate = crowded()
    for number in range(100, 200):
        gate.come(source(number))  # newcomers, who cannot be kept out
    gate.now += 0.99
    assert gate.refused(source(1))
    gate.now += 0.02
    assert not gate.refused(source(1))  # it owes still


def test_in_a_crowd_who_has_paid_gets_in() -> None:
    gate = crowded()
    gate.now += 8
    for number in (4, 5, 6):
        gate.pay(1, source(number))
    assert gate.refused(source(4))
    assert not gate.refused(source(1))


def test_who_was_good_is_no_stranger() -> None:
    gate = Gate({"crowd_burst": 3, "crowd_rate": 1e-6})
    for number in range(100):
        gate.come(source(number)).was_good(gate.now)
    gate.pay(1)
    gate.come()


# ---- the tables ----------------------------------------------------------------------------------


def test_refused_sources_that_are_not_known_are_not_remembered() -> None:
    gate = Gate({"network_burst": 1, "network_rate": 1e-6})
    gate.pay(1)
    known = len(gate.admission)
    for last in range(2, 256):
        assert gate.refused(peer(192, 0, 2, last))
    assert len(gate.admission) == known == 2


def test_no_more_are_remembered_than_may_be() -> None:
    gate = Gate({"sources": 10})
    for number in range(1000):
        gate.come(source(number))
    assert len(gate.admission) == 10 + 10


def test_a_settled_one_is_forgotten_first() -> None:
    gate = Gate({"sources": LOOKED_AT, "source_burst": 1, "source_rate": 1e-6})
    for number in range(LOOKED_AT):
        gate.pay(0 if number == 5 else 1, source(number))
    gate.come(source(99))
    for number in set(range(LOOKED_AT)) - {5}:
        assert gate.refused(source(number))
    assert not gate.refused(source(5))


def test_an_open_one_is_not_settled() -> None:
    gate = Gate({"sources": 2, "source_burst": 1, "unanswered_per_source": 1})
    gate.come(source(1))
    gate.now += 1e6
    gate.pay(0, source(2))
    gate.come(source(3))
    assert gate.refused(source(1))


def test_of_those_that_owe_it_is_who_was_let_in_longest_ago() -> None:
    gate = Gate({"sources": 3, "source_burst": 2, "source_rate": 1e-6})
    for number in (1, 2, 3, 1):
        gate.pay(1, source(number))
    gate.come(source(4))
    assert gate.refused(source(1))
    gate.come(source(2))
    gate.come(source(2))  # it was forgotten: a burst is free again
    assert gate.refused(source(2))


def test_a_forgotten_connection_pays_its_own_account_and_not_its_successors() -> None:
    gate = Gate({"sources": 1, "source_burst": 2, "source_rate": 1e-6})
    forgotten = gate.come(source(1))
    gate.come(source(2))
    gate.come(source(1))
    forgotten.cost(100, gate.now)
    assert not gate.refused(source(1))


# ---- all of it -----------------------------------------------------------------------------------

RATE: Final = 0.5
PEERS: Final = [ONE, NEIGHBOUR, OTHER]
Step = tuple[int, int, float]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 2, 5]), st.sampled_from([0, 0.25, 3])),
        max_size=60,
    )
)
def test_like_a_list_of_all_that_ever_was(steps: list[Step]) -> None:
    """Times and prices are whole quarters, so that nothing is rounded."""
    gate = Gate(
        {
            "source_burst": 4,
            "source_rate": RATE,
            "network_burst": 6,
            "network_rate": RATE,
            "unanswered_per_source": 2,
            "unanswered_per_network": 3,
            "longest_refusal": 20,
        }
    )
    changes: dict[bytes, list[tuple[float, float]]] = {}
    visits: list[tuple[Visit, Peer]] = []

    def debt(key: bytes, burst: float) -> float:
        owed, before = 0.0, NOW
        for when, change in [*changes.get(key, []), (gate.now, 0.0)]:
            owed = max(0.0, owed - (when - before) * RATE)
            owed = min(max(0.0, owed + change), burst - 1 + RATE * 20)
            before = when
        return owed

    for number, price, pause in steps:
        gate.now += pause
        if number >= 6 and visits:
            visit, who = visits.pop(number % len(visits))
            visit.cost(price, gate.now)
            change = price - 1.0
        else:
            who = PEERS[number % 3]
            at_once = [open_ for _, open_ in visits]
            expected = (
                debt(who.source, 4) + 1 > 4
                or debt(who.network, 6) + 1 > 6
                or sum(each is who for each in at_once) >= 2
                or sum(each.network == who.network for each in at_once) >= 3
            )
            new = gate.admission.admit(who, gate.now)
            assert (new is None) == expected
            if new is None:
                continue
            visits.append((new, who))
            change = 1.0
        for key in (who.source, who.network):
            changes.setdefault(key, []).append((gate.now, change))
