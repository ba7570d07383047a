import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.supervision import (
    MAX_DESCRIPTORS,
    MAX_STATUS,
    VARIABLES,
    Supervision,
    SupervisionError,
    alive,
    barrier,
    forget,
    keep,
    ready,
    reloading,
    status_is,
    stopping,
    supervision,
)

PID = 4711


def told(**variables: str) -> Supervision:
    return supervision(variables, PID)


def test_nobody_says_anything() -> None:
    assert told() == Supervision(None, None, ())
    assert told(**dict.fromkeys(VARIABLES, "")) == Supervision()


@pytest.mark.parametrize(
    ("address", "expected"),
    [("/run/systemd/notify", "/run/systemd/notify"), ("@a/name", "\0a/name")],
)
def test_where_to_notify(address: str, expected: str) -> None:
    assert told(NOTIFY_SOCKET=address).notify == expected


@pytest.mark.parametrize("address", ["relative", "/", "@", "vsock:2:1234"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(SupervisionError, match="NOTIFY_SOCKET: found"):
        told(NOTIFY_SOCKET=address)


@pytest.mark.parametrize(
    ("pid", "expected"), [({"WATCHDOG_PID": "4711"}, 20.0), ({"WATCHDOG_PID": "1"}, None), ({}, 20)]
)
def test_the_watchdog_is_for_the_process_that_it_names(
    pid: dict[str, str], expected: float | None
) -> None:
    assert told(WATCHDOG_USEC="20000000", **pid).watchdog == expected


@pytest.mark.parametrize(
    ("pid", "expected"), [({"LISTEN_PID": "4711"}, 2), ({"LISTEN_PID": "1"}, 0), ({}, 0)]
)
def test_descriptors_are_for_the_process_that_they_name(pid: dict[str, str], expected: int) -> None:
    assert len(told(LISTEN_FDS="2", **pid).descriptors) == expected


def test_descriptors_have_names() -> None:
    found = told(LISTEN_PID=str(PID), LISTEN_FDS="2", LISTEN_FDNAMES="pam:stored")
    assert found.descriptors == ((3, "pam"), (4, "stored"))
    found = told(LISTEN_PID=str(PID), LISTEN_FDS="2")
    assert found.descriptors == ((3, "unknown"), (4, "unknown"))
    assert told(LISTEN_PID=str(PID)).descriptors == ()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC: found 'soon', expected a number"),
        ({"WATCHDOG_USEC": "0"}, "WATCHDOG_USEC: found 0, expected 1 to"),
        ({"WATCHDOG_USEC": "-1"}, "WATCHDOG_USEC: found '-1', expected a number"),
        ({"WATCHDOG_USEC": "٣"}, "WATCHDOG_USEC: found '٣', expected a number"),
        ({"WATCHDOG_USEC": "9" * 5000}, "WATCHDOG_USEC: found '99"),
        ({"WATCHDOG_USEC": str(2**63 + 1)}, "WATCHDOG_USEC: found 9"),
        ({"FDSTORE": "many"}, "FDSTORE: found 'many', expected a number"),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "x"}, "WATCHDOG_PID: found 'x'"),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "x"}, "LISTEN_PID: found 'x'"),
        ({"LISTEN_FDS": "x", "LISTEN_PID": "4711"}, "LISTEN_FDS: found 'x'"),
        (
            {"LISTEN_FDS": str(MAX_DESCRIPTORS + 1), "LISTEN_PID": "4711"},
            f"LISTEN_FDS: found {MAX_DESCRIPTORS + 1}, expected 1 to {MAX_DESCRIPTORS}",
        ),
        (
            {"LISTEN_FDS": "2", "LISTEN_PID": "4711", "LISTEN_FDNAMES": "a:b:c"},
            "LISTEN_FDNAMES: found 3 names for 2 descriptors",
        ),
    ],
)
def test_contradictions_name_their_variable(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SupervisionError) as caught:
        told(**variables)
    assert str(caught.value).startswith(message)


def test_whether_descriptors_are_kept() -> None:
    assert told(FDSTORE="5000").store == 5000
    assert told().store == 0


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text()))
def test_any_environment_is_understood_or_refused(variables: dict[str, str]) -> None:
    try:
        found = supervision(variables, PID)
    except SupervisionError:
        return
    assert len(found.descriptors) <= MAX_DESCRIPTORS


def test_what_is_told() -> None:
    assert ready("2 wait") == b"READY=1\nSTATUS=2 wait\n"
    assert reloading(12.5) == b"RELOADING=1\nMONOTONIC_USEC=12500000\n"
    assert stopping() == b"STOPPING=1\n"
    assert alive() == b"WATCHDOG=1\n"
    assert keep("a") == b"FDSTORE=1\nFDPOLL=0\nFDNAME=a\n"
    assert forget("a") == b"FDSTOREREMOVE=1\nFDNAME=a\n"
    assert barrier() == b"BARRIER=1"


@given(st.text(st.characters(), max_size=2 * MAX_STATUS))
def test_a_status_is_one_line(text: str) -> None:
    line = status_is(text)
    assert line.count(b"\n") == 1
    assert line.startswith(b"STATUS=")
    assert len(line.decode()) <= MAX_STATUS + len("STATUS=\n")
