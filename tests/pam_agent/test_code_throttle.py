import pytest

from pam_agent.code_throttle import (
    ACCOUNT_BURST,
    ACCOUNT_SECONDS,
    ADDRESS_BURST,
    ADDRESS_SECONDS,
    MOST_KNOWN,
    MOST_TRACKED,
    CodeThrottle,
    network,
)

HERE = "192.0.2.1"


def test_an_address_has_a_burst_and_then_a_pace() -> None:
    throttle = CodeThrottle()
    users = (f"user{n}" for n in range(1000))
    assert all(throttle.enter(next(users), HERE, 0.0) for _ in range(ADDRESS_BURST))
    assert not throttle.enter(next(users), HERE, ADDRESS_SECONDS - 0.1)
    assert throttle.enter(next(users), "192.0.2.2", 0.0)
    assert throttle.enter(next(users), HERE, ADDRESS_SECONDS)
    assert not throttle.enter(next(users), HERE, ADDRESS_SECONDS)


def test_an_account_has_a_burst_and_then_a_pace_wherever_it_comes_from() -> None:
    throttle = CodeThrottle()
    addresses = (f"198.51.{n >> 8}.{n & 255}" for n in range(1000))
    assert all(throttle.enter("alice", next(addresses), 0.0) for _ in range(ACCOUNT_BURST))
    assert not throttle.enter("alice", next(addresses), ACCOUNT_SECONDS - 0.1)
    assert throttle.enter("bob", next(addresses), 0.0)
    assert throttle.enter("alice", next(addresses), ACCOUNT_SECONDS)
    assert not throttle.enter("alice", next(addresses), ACCOUNT_SECONDS)


def test_what_is_refused_costs_nothing_more() -> None:
    """Trying on does not make the wait longer."""
    throttle = CodeThrottle()
    for _ in range(10 * ADDRESS_BURST):
        throttle.enter("alice", HERE, 0.0)
    assert throttle.enter("alice", HERE, ADDRESS_SECONDS)


def test_right_ones_cost_an_address_nothing() -> None:
    throttle = CodeThrottle()
    for _ in range(10 * ADDRESS_BURST):
        assert throttle.enter("alice", HERE, 0.0)
        throttle.right("alice", HERE, 0.0)


def test_a_flood_from_elsewhere_does_not_keep_out_who_was_let_in_before() -> None:
    throttle = CodeThrottle()
    assert throttle.enter("alice", HERE, 0.0)
    throttle.right("alice", HERE, 0.0)
    for n in range(ACCOUNT_BURST):
        throttle.enter("alice", f"198.51.100.{n}", 0.0)
    assert not throttle.enter("alice", "203.0.113.1", 0.0)
    assert all(throttle.enter("alice", HERE, 0.0) for _ in range(ADDRESS_BURST))
    assert not throttle.enter("alice", HERE, 0.0)


def test_programs_without_addresses_keep_only_their_own_account_out() -> None:
    throttle = CodeThrottle()
    while throttle.enter("alice", "", 0.0):
        pass
    assert throttle.enter("bob", "", 0.0)
    assert throttle.enter("alice", HERE, 0.0)


def test_the_memory_is_bounded() -> None:
    throttle = CodeThrottle()
    for n in range(MOST_TRACKED + 100):
        assert throttle.enter(f"user{n}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
        throttle.right(f"user{n}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
    assert len(throttle._accounts) == MOST_TRACKED
    assert len(throttle._addresses) == 0
    assert len(throttle._known) == MOST_KNOWN


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("client.example", "client.example"),
        ("", ""),
    ],
)
def test_what_counts_as_one_source(remote: str, source: str) -> None:
    assert network(remote) == source
