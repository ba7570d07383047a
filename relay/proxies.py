"""pure. The proxies of a listener: who may say in a header that it speaks for somebody else."""

import ipaddress
from typing import Final

from protocol.address import AddressError
from relay.peers import Peer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Proxies = tuple[Network, ...]
"""A listener's; empty if it is behind none."""

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_network(text: str) -> Network:
    """An address or a network as people write them. Raises AddressError."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or "%" in text:
        raise AddressError("expected an address or a network, such as 10.0.0.5 or 2001:db8::/64")
    if ipaddress.ip_interface(text).ip != network.network_address:
        raise AddressError(f"expected the network, {network}, or the address alone")
    if network.prefixlen == 0:
        raise AddressError("expected the proxies' own addresses: everybody else could lie")
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        raise AddressError("expected an IPv4 address in its own form")
    return network


def listed(peer: Peer, proxies: Proxies) -> bool:
    """Whether it is one of them."""
    address = ipaddress.ip_address(peer.packed)
    return any(address in network for network in proxies)
