"""pure. Who is at the other end of a TCP connection, and which sources it counts for."""

import ipaddress
from typing import Final

_IPV4_LENGTH: Final = 4
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""An IPv6 address that begins so is an IPv4 one on a listener for both (RFC 4291, 2.5.5.2)."""


class Peer:
    """An address and a port. Nothing changes it."""

    __slots__ = ("_dotted", "packed", "port")

    def __init__(self, packed: bytes, port: int, dotted: str = "") -> None:
        """`packed` is 4 or 16 bytes in network order; `dotted` an IPv4 address as text, for who
        has that already: it is needed twice for a sign-on, and not cheap to make."""
        self.packed: Final = packed[len(_MAPPED) :] if packed.startswith(_MAPPED) else packed
        """4 bytes of IPv4, or 16 of IPv6."""
        self.port: Final = port
        if not dotted and len(self.packed) == _IPV4_LENGTH:
            a, b, c, d = self.packed
            dotted = f"{a}.{b}.{c}.{d}"
        self._dotted: Final = dotted
        """Empty for IPv6."""

    @property
    def source(self) -> bytes:
        """What one party has for sure: an IPv4 address, or a /64 of IPv6 (8 bytes)."""
        packed = self.packed
        return packed if len(packed) == _IPV4_LENGTH else packed[:8]

    @property
    def network(self) -> bytes:
        """What one party may well have: a /24 (3 bytes), or a /48 of IPv6 (6 bytes)."""
        return network_of(self.packed)

    @property
    def text(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        if self._dotted:
            return f"{self._dotted}:{self.port}"
        return f"[{ipaddress.IPv6Address(self.packed)}]:{self.port}"

    @property
    def network_text(self) -> str:
        """For the log: enough to see a pattern, too little to name a person."""
        if self._dotted:
            return self._dotted[: self._dotted.rindex(".")] + ".0/24"
        return network_text(self.network)


def source_text(peer: Peer | int) -> str:
    """For the log: a peer's network, or `uid:N` for a user of this machine."""
    return f"uid:{peer}" if isinstance(peer, int) else peer.network_text


def network_of(packed: bytes) -> bytes:
    """Of an address, or of a source."""
    return packed[:3] if len(packed) == _IPV4_LENGTH else packed[:6]


def network_text(network: bytes) -> str:
    """A /24 (3 bytes) or a /48 (6 bytes) as people write it."""
    if len(network) < _IPV4_LENGTH:
        return f"{network[0]}.{network[1]}.{network[2]}.0/24"
    return f"{ipaddress.IPv6Address(network + bytes(10))}/48"
