"""The PROXY header: what is taken, what is not, and how early that is said."""

import ipaddress
import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given

from protocol.errors import ProtocolError
from relay.proxy_header import MAX_HEADER, Header, decode
from tests.relay import plain_proxy
from tests.relay.plain_proxy import (
    LOCAL,
    PROXY,
    SIGNATURE,
    TCP4,
    TCP6,
    UDP4,
    UDP6,
    UNIX_DGRAM,
    UNIX_STREAM,
    UNSPEC,
    header,
    local,
    raw,
    tlv,
)

IPV4 = bytes([198, 51, 100, 7])
IPV6 = ipaddress.ip_address("2001:db8::7").packed


def refused_after(data: bytes) -> int | None:
    """How many bytes it takes until they are refused; None if they never are."""
    for count in range(len(data) + 1):
        try:
            decode(data[:count])
        except ProtocolError:
            return count
    return None


def said(data: bytes) -> str | Header:
    """In the words of the independent reader."""
    try:
        return decode(data) or "more"
    except ProtocolError:
        return "refused"


GOOD = {
    "IPv4": (header("198.51.100.7", 51000), Header(28, IPV4, 51000)),
    "IPv6": (header("2001:db8::7", 1, to="2001:db8::1"), Header(52, IPV6, 1)),
    "TLVs": (header("198.51.100.7", 65535, tlv(4, bytes(100))), Header(131, IPV4, 65535)),
    "bytes that are no TLV": (header("198.51.100.7", 9, b"\xff"), Header(29, IPV4, 9)),
    "longest": (header("198.51.100.7", 9, bytes(508)), Header(MAX_HEADER, IPV4, 9)),
    "local": (local(), Header(16, b"", 0)),
    "local, about TCP": (raw(LOCAL, TCP4, bytes(12)), Header(28, b"", 0)),
    "local, of a family that there is not": (local(family=0xFF), Header(16, b"", 0)),
    "local with TLVs": (local(tlv(4, b"...")), Header(22, b"", 0)),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_header_is_taken_when_its_last_byte_has_come(name: str) -> None:
    data, expected = GOOD[name]
    for count in range(len(data)):
        assert decode(data[:count]) is None
    assert decode(data) == expected
    assert decode(data + b"BTZN and more") == expected


BAD = {
    "version 1": (b"PROXY TCP4 198.51.100.7 192.0.2.1 51000 4817\r\n", 1),
    "version 1, unknown": (b"PROXY UNKNOWN\r\n", 1),
    "no header at all": (b"BTZN\1\7", 1),
    "another signature": (SIGNATURE[:11] + b"\r" + header("192.0.2.1", 1)[12:], 12),
    "version 1 in binary": (raw(PROXY, TCP4, bytes(12), version=1), 13),
    "version 3": (raw(PROXY, TCP4, bytes(12), version=3), 13),
    "another command": (raw(2, TCP4, bytes(12)), 13),
    "the last command": (raw(15, TCP4, bytes(12)), 13),
    "forwarded without an address": (raw(PROXY, UNSPEC, b""), 14),
    "UDP": (raw(PROXY, UDP4, bytes(12)), 14),
    "UDP of IPv6": (raw(PROXY, UDP6, bytes(36)), 14),
    "Unix": (raw(PROXY, UNIX_STREAM, bytes(216)), 14),
    "Unix datagrams": (raw(PROXY, UNIX_DGRAM, bytes(216)), 14),
    "another family": (raw(PROXY, 0x41, bytes(36)), 14),
    "IPv4 over no transport": (raw(PROXY, 0x10, bytes(12)), 14),
    "no room for IPv4": (raw(PROXY, TCP4, bytes(11)), 16),
    "no room for IPv6": (raw(PROXY, TCP6, bytes(35)), 16),
    "no room at all": (raw(PROXY, TCP4, b""), 16),
    "too long": (header("198.51.100.7", 9, bytes(509)), 16),
    "much too long": (raw(PROXY, TCP4, bytes(768)), 15),
    "as long as can be": (raw(PROXY, TCP4, bytes(65535)), 15),
    "local, too long": (local(bytes(521)), 16),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_refused_at_its_first_wrong_byte(name: str) -> None:
    data, count = BAD[name]
    assert refused_after(data) == count
    with pytest.raises(ProtocolError):
        decode(data)


@given(
    st.ip_addresses(),
    st.integers(0, 65535),
    st.lists(st.builds(tlv, st.integers(0, 255), st.binary(max_size=50)), max_size=9),
    st.binary(max_size=50),
)
def test_what_was_written_is_read(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    tlvs: list[bytes],
    behind: bytes,
) -> None:
    data = header(str(address), port, *tlvs)
    assert decode(data + behind) == (len(data), address.packed, port)


def changed(data: bytes, place: int, byte: int) -> bytes:
    place %= len(data)
    return data[:place] + bytes([byte]) + data[place + 1 :]


@given(
    st.binary(max_size=60)
    | st.builds(SIGNATURE.__add__, st.binary(max_size=60))
    | st.builds(
        changed,
        st.sampled_from([data for data, _ in (*GOOD.values(), *BAD.values())]),
        st.integers(0, 15),
        st.integers(0, 255),
    )
)
def test_any_bytes_are_read_as_the_specification_reads_them(data: bytes) -> None:
    for count in range(min(len(data), 70) + 1):
        assert said(data[:count]) == plain_proxy.read(data[:count])
    assert said(data) == plain_proxy.read(data)


def test_every_byte_of_the_fixed_part() -> None:
    """The whole product: each place, each byte, behind what may stand before it."""
    for good in (header("198.51.100.7", 9), header("2001:db8::7", 9), local()):
        for place in range(16):
            for byte in range(256):
                data = good[:place] + bytes([byte])
                assert said(data) == plain_proxy.read(data), data


def test_the_longest_is_what_the_smallest_segment_holds() -> None:
    """An IPv4 host must take datagrams of 576 bytes (RFC 1122), of which 40 are headers."""
    assert MAX_HEADER == plain_proxy.LONGEST == 576 - struct.calcsize("20s20s")
