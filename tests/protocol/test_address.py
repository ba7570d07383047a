import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.address import AddressError, TcpAddress, UnixAddress, parse, parse_tcp, written

GOOD = {
    "relay.example.net:4817": TcpAddress("relay.example.net", 4817),
    "192.0.2.7:1": TcpAddress("192.0.2.7", 1),
    "[2001:db8::7]:65535": TcpAddress("2001:db8::7", 65535),
    "[fe80::1%eth0]:4816": TcpAddress("fe80::1%eth0", 4816),
    "relay.example.:1": TcpAddress("relay.example.", 1),
    f"{'a' * 63}.example:1": TcpAddress(f"{'a' * 63}.example", 1),
    "b\u00fccher.example:1": TcpAddress("b\u00fccher.example", 1),
}


@pytest.mark.parametrize(("text", "address"), GOOD.items())
def test_host_and_port(text: str, address: TcpAddress) -> None:
    assert parse_tcp(text) == address
    assert parse(f"tcp:{text}") == address
    assert parse(written(address)) == address
    assert str(address) == text


def test_a_unix_socket() -> None:
    assert parse("unix:/run/a:b") == UnixAddress("/run/a:b")
    assert written(UnixAddress("/run/a:b")) == "unix:/run/a:b"
    assert str(UnixAddress("/run/a:b")) == "unix:/run/a:b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "host",
        "host:",
        ":80",
        "[]:80",
        "host:0",
        "host:65536",
        "host:-1",
        "host:+1",
        "host: 80",
        "host:8_0",
        "host:\u0668\u0660",
        "host:\u00b2",
        "host:http",
        "host:" + "9" * 5000,
        "2001:db8::7:80",
        "[2001:db8::7]",
        "[2001:db8::7:80",
        "2001:db8::7]:80",
        "[192.0.2.7]:80",
        "[::g]:80",
        "[:::1]:80",
        "relay..example:80",
        f"{'a' * 64}.example:80",
        "a\0b:80",
        "[::1%a\0b]:80",
        "a b:80",
        "a\nb:80",
    ],
)
def test_refused_hosts_and_ports(text: str) -> None:
    with pytest.raises(AddressError, match=r"host:port or \[ipv6\]:port"):
        parse_tcp(text)


@pytest.mark.parametrize(
    "text",
    ["", "host:80", "unix:", "unix:run", "http:host:80", "TCP:host:80", "unix:/a\0b", "unix:/\n"],
)
def test_refused_addresses(text: str) -> None:
    with pytest.raises(AddressError, match="tcp:host:port or unix:/path"):
        parse(text)


@given(st.text(max_size=20) | st.text("[]:abc0189", max_size=20))
def test_any_text_gives_an_address_or_the_error(text: str) -> None:
    for wanted in (parse_tcp, parse):
        try:
            address = wanted(text)
        except AddressError:
            continue
        again = f"tcp:{address}" if isinstance(address, TcpAddress) else str(address)
        assert parse(again) == address
