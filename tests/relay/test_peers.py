"""Peers: what is said of an address, and what it counts for."""

import socket

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.peers import Peer, network_text


def peer(host: str, port: int = 4711) -> Peer:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Peer(socket.inet_pton(family, host), port)


@pytest.mark.parametrize(
    ("host", "text", "network"),
    [
        ("198.51.100.77", "198.51.100.77:4711", "198.51.100.0/24"),
        ("0.0.0.0", "0.0.0.0:4711", "0.0.0.0/24"),
        ("2001:db8:aaaa:bbbb::1", "[2001:db8:aaaa:bbbb::1]:4711", "2001:db8:aaaa::/48"),
        ("::1", "[::1]:4711", "::/48"),
        ("::ffff:192.0.2.9", "192.0.2.9:4711", "192.0.2.0/24"),
        ("::fffe:192.0.2.9", "[::fffe:c000:209]:4711", "::/48"),
    ],
)
def test_what_is_said_of_it(host: str, text: str, network: str) -> None:
    assert peer(host).text == text
    assert peer(host).network_text == network


def test_one_source_and_one_network() -> None:
    assert peer("192.0.2.9").source == peer("192.0.2.9", 1).source == bytes([192, 0, 2, 9])
    assert peer("192.0.2.9").network == peer("192.0.2.255").network == bytes([192, 0, 2])
    assert peer("2001:db8:1:2::1").source == peer("2001:db8:1:2:ff::").source
    assert peer("2001:db8:1:2::1").source != peer("2001:db8:1:3::1").source
    assert peer("2001:db8:1:2::1").network == peer("2001:db8:1:3::1").network
    assert peer("2001:db8:1:2::1").network != peer("2001:db8:2:2::1").network


def test_an_ipv4_peer_is_the_same_by_whichever_listener_it_comes() -> None:
    mapped, plain = peer("::ffff:192.0.2.9"), peer("192.0.2.9")
    assert (mapped.packed, mapped.source, mapped.network) == (
        (plain.packed, plain.source, plain.network)
    )


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16))
def test_sources_of_both_families_are_never_taken_for_one_another(packed: bytes) -> None:
    one = Peer(packed, 1)
    assert {len(one.source), len(one.network)} in ({4, 3}, {8, 6})
    assert network_text(one.network) == one.network_text
