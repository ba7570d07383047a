"""Who is a proxy: what may be written, and who is one then."""

import ipaddress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from protocol.address import AddressError
from relay.peers import Peer
from relay.proxies import listed, parse_network


def peer(host: str) -> Peer:
    return Peer(ipaddress.ip_address(host).packed, 4711)


PROXIES = tuple(map(parse_network, ("10.0.0.5", "192.0.2.0/24", "2001:db8::/64", "fe80::1")))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.5", True),
        ("::ffff:10.0.0.5", True),  # as it comes by a listener for both
        ("10.0.0.4", False),
        ("10.0.0.6", False),
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("192.0.1.255", False),
        ("2001:db8::", True),
        ("2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::", False),
        ("fe80::1", True),
        ("fe80::2", False),
        ("::10.0.0.5", False),
        ("::", False),
        ("0.0.0.0", False),
    ],
)
def test_who_is_listed(host: str, expected: bool) -> None:
    assert listed(peer(host), PROXIES) == expected
    assert not listed(peer(host), ())


@given(st.ip_addresses(v=4), st.integers(1, 32))
def test_a_network_is_its_leading_bits(address: ipaddress.IPv4Address, bits: int) -> None:
    network = parse_network(str(ipaddress.ip_network(f"{address}/{bits}", strict=False)))
    assert listed(Peer(address.packed, 1), (network,))
    other = ipaddress.IPv4Address(int(address) ^ 1 << 32 - bits)
    assert not listed(Peer(other.packed, 1), (network,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("proxy.example", "expected an address or a network, such as"),
        ("", "expected an address or a network, such as"),
        ("10.0.0", "expected an address or a network, such as"),
        ("10.0.0.5:80", "expected an address or a network, such as"),
        ("10.0.0.0/33", "expected an address or a network, such as"),
        ("[::1]", "expected an address or a network, such as"),
        ("fe80::1%eth0", "expected an address or a network, such as"),
        ("192.0.2.7/24", "expected the network, 192.0.2.0/24, or the address alone"),
        ("2001:db8::7/64", "expected the network, 2001:db8::/64, or the address alone"),
        ("0.0.0.0/0", "expected the proxies' own addresses"),
        ("::/0", "expected the proxies' own addresses"),
        ("::ffff:10.0.0.5", "expected an IPv4 address in its own form"),
        ("::ffff:10.0.0.0/104", "expected an IPv4 address in its own form"),
    ],
)
def test_what_is_no_proxy_is_said_to_be_none(text: str, said: str) -> None:
    with pytest.raises(AddressError, match=said):
        parse_network(text)


def test_a_wide_network_is_one() -> None:
    """Though IPv6's forms of IPv4 addresses are in it, which no peer has."""
    assert not listed(peer("::ffff:10.0.0.5"), (parse_network("::/64"),))


@given(st.text() | st.from_regex(r"[0-9a-f:./%]{0,30}"))
def test_any_text_is_a_network_or_one_error(text: str) -> None:
    try:
        network = parse_network(text)
    except AddressError:
        return
    assert parse_network(str(network)) == network
