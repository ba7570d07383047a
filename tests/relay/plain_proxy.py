"""The PROXY protocol's version 2 from its text alone: a writer, and a reader of allowed bytes.

Imports nothing of ours and is built the other way round: for every place of the fixed part it says
which bytes may stand there, given those before it.
"""

import ipaddress
import struct
from collections.abc import Collection

LOCAL, PROXY = 0, 1
UNSPEC, TCP4, UDP4, TCP6, UDP6, UNIX_STREAM, UNIX_DGRAM = 0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32
SIGNATURE = bytes.fromhex("0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A")
LONGEST = 536


def raw(command: int, family: int, payload: bytes, *, version: int = 2) -> bytes:
    """Anything that the format can say."""
    return SIGNATURE + struct.pack("!BBH", version << 4 | command, family, len(payload)) + payload


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def header(source: str, port: int, *tlvs: bytes, to: str = "", to_port: int = 4817) -> bytes:
    """What a proxy sends for a connection of `source`."""
    address = ipaddress.ip_address(source)
    family = TCP4 if address.version == 4 else TCP6
    own = ipaddress.ip_address(to) if to else type(address)(1)
    ports = struct.pack("!HH", port, to_port)
    return raw(PROXY, family, address.packed + own.packed + ports + b"".join(tlvs))


def local(*tlvs: bytes, family: int = UNSPEC) -> bytes:
    """What a proxy sends for itself."""
    return raw(LOCAL, family, b"".join(tlvs))


def _may_be(place: int, before: bytes) -> Collection[int]:
    if place < 12:
        return SIGNATURE[place : place + 1]
    if place == 12:
        return (0x20, 0x21)
    conveys = before[12] == 0x21
    if place == 13:
        return (TCP4, TCP6) if conveys else range(256)
    if place == 14:
        return range((LONGEST - 16) // 256 + 1)
    least = {TCP4: 12, TCP6: 36}[before[13]] if conveys else 0
    high = 256 * before[14]
    return range(max(least - high, 0), min(LONGEST - 16 - high, 255) + 1)


def read(data: bytes) -> str | tuple[int, bytes, int]:
    """Length, address and port, or "more", or "refused"."""
    for place in range(min(len(data), 16)):
        if data[place] not in _may_be(place, data[:place]):
            return "refused"
    if len(data) < 16:
        return "more"
    _, command, family, more = struct.unpack_from("!12sBBH", data)
    if len(data) < 16 + more:
        return "more"
    if command == 0x20:
        return 16 + more, b"", 0
    form = "!4s4sHH" if family == TCP4 else "!16s16sHH"
    source, _, port, _ = struct.unpack_from(form, data, 16)
    return 16 + more, source, port
