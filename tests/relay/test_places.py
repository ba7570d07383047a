"""The places of a configuration's sockets."""

import pytest

from protocol.address import TcpAddress, UnixAddress
from relay.places import MAX_SOCKET_PATH, wrong_place

A, B = UnixAddress("/run/a.sock"), UnixAddress("/run/b.sock")
ONE, TWO = TcpAddress("192.0.2.1", 1), TcpAddress("192.0.2.1", 2)


def test_places_that_differ_are_good() -> None:
    longest = UnixAddress(f"/{'x' * (MAX_SOCKET_PATH - 1)}")
    assert not wrong_place([("a", A), ("b", B), ("c", ONE), ("d", TWO), ("e", longest)])


@pytest.mark.parametrize("again", [A, UnixAddress("/run//./a.sock"), ONE])
def test_a_place_has_one_purpose(again: TcpAddress | UnixAddress) -> None:
    wrong = wrong_place([("agents", A), ("validators", ONE), ("metrics", again)])
    whose = "validators" if again == ONE else "agents"
    assert wrong.startswith("metrics: found ")
    assert wrong.endswith(f", which is that of {whose}, too")


def test_a_path_has_an_end() -> None:
    path = UnixAddress(f"/{'é' * (MAX_SOCKET_PATH // 2)}x")
    assert len(path.path) < MAX_SOCKET_PATH
    expected = f"admin_socket: found {MAX_SOCKET_PATH + 1} bytes, expected at most 107"
    assert wrong_place([("admin_socket", path)]).startswith(expected)
