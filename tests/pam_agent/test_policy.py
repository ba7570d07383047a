import msgspec
import pytest

from pam_agent import policy
from pam_agent.policy import (
    Timers,
    answered,
    asked,
    backoff_seconds,
    disabled_by,
    in_backoff,
    may_ask,
    trusted,
)
from pam_agent.records import Decided, DisabledReason
from protocol.limits import MAX_TAGS, VERSION
from protocol.ratchet import Generation, Ratchet
from tests.support.agent_store import device

CALLERS = {"postgres": ("postgresql",), "www-data": ()}


@pytest.mark.parametrize(
    ("uid", "name", "user", "service", "may"),
    [
        (0, "root", "alice", "sshd", True),
        (0, None, "alice", "sshd", True),
        (1000, "alice", "alice", "sudo", True),
        (1000, "alice", "bob", "sudo", False),
        (1000, "alice", "root", "sudo", False),
        (110, "postgres", "alice", "postgresql", True),
        (110, "postgres", "alice", "sshd", False),
        (110, "postgres", "postgres", "sshd", True),
        (33, "www-data", "alice", "", False),
        (4711, None, "alice", "sshd", False),
        (4711, None, "None", "sshd", False),
        (4711, "", "alice", "sshd", False),
    ],
)
def test_who_may_ask(uid: int, name: str | None, user: str, service: str, may: bool) -> None:
    assert may_ask(uid, name, user, service, CALLERS) is may


@pytest.mark.parametrize(
    ("uid", "name", "service", "believed"),
    [
        (0, "root", "sshd", True),
        (0, None, "sshd", True),
        (1000, "alice", "sudo", False),
        (110, "postgres", "postgresql", True),
        (110, "postgres", "sshd", False),
        (4711, None, "postgresql", False),
    ],
)
def test_who_is_believed(uid: int, name: str | None, service: str, believed: bool) -> None:
    assert trusted(uid, name, service, CALLERS) is believed


def test_backoff_starts_at_the_fifth_failure_and_doubles_up_to_its_cap() -> None:
    seconds = [backoff_seconds(failures) for failures in range(13)]
    assert seconds == [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 480, 480, 480]
    assert max(seconds) == policy.MAX_BACKOFF


def test_backoff_of_absurd_counts_does_not_overflow() -> None:
    assert backoff_seconds(10**9) == policy.MAX_BACKOFF


def test_the_tenth_failure_disables() -> None:
    assert disabled_by(9) is None
    assert disabled_by(10) is DisabledReason.FAILURES
    assert disabled_by(11) is DisabledReason.FAILURES


@pytest.mark.parametrize(
    ("until", "now", "pausing"),
    [
        (0.0, 1000.0, False),
        (1000.0, 1000.0, False),
        (1000.1, 1000.0, True),
        (1480.0, 1000.0, True),
        (1480.1, 1000.0, False),  # the clock was set back: no lock-out
        (999.0, 1000.0, False),
    ],
)
def test_in_backoff(until: float, now: float, pausing: bool) -> None:
    assert in_backoff(until, now) is pausing


def test_asked_leaves_out_what_may_not_be_asked() -> None:
    good, pausing = device(1), device(4, backoff_until=1010.0)
    devices = (
        device(2, proved=False),
        device(3, disabled=DisabledReason.FAILURES),
        pausing,
        good,
    )
    assert asked(devices, 1000.0) == (good,)
    assert asked(devices, 1010.0) == (pausing, good)


def test_a_cloned_device_is_asked_last_so_that_its_owner_is_told() -> None:
    cloned = device(1, disabled=DisabledReason.CLONE)
    good = tuple(device(number) for number in range(2, MAX_TAGS + 1))
    assert asked((cloned, *good), 0.0) == (*good, cloned)
    assert asked((cloned, *good, device(99)), 0.0) == (*good, device(99))


def test_asked_stops_at_the_tags_of_one_request() -> None:
    devices = tuple(device(number) for number in range(MAX_TAGS + 3))
    assert asked(devices, 0.0) == devices[:MAX_TAGS]


def test_a_device_that_failures_disabled_is_not_answered() -> None:
    assert answered(device(), 0.0)
    assert answered(device(disabled=DisabledReason.CLONE), 0.0)
    assert not answered(device(disabled=DisabledReason.FAILURES), 0.0)
    assert not answered(device(disabled=DisabledReason.CLONE, failures=10), 0.0)
    assert not answered(device(backoff_until=1.0), 0.0)


def test_only_a_moved_ratchet_is_true() -> None:
    assert [decided for decided in Decided if decided] == [Decided.MOVED]


def test_a_device_shows_no_secret() -> None:
    shown = repr(device())
    assert repr(b"\x01" * 32) not in shown
    assert repr(b"\x02" * 32) not in shown


def test_enrolled_offers_every_generation() -> None:
    ratchet = Ratchet(Generation(1, b"\x03" * 32), None, (Generation(0, b"\x02" * 32),))
    assert device(ratchet=ratchet).enrolled.candidates == ratchet.candidates()


def test_default_timers_are_the_decided_ones() -> None:
    timers = Timers()
    assert (timers.queue, timers.validation, timers.acknowledgement) == (2, 60, 45)
    assert (timers.sign_on, timers.confirm) == (300, 5)
    assert VERSION == 1


@pytest.mark.parametrize("name", ["queue", "validation", "acknowledgement", "sign_on", "confirm"])
@pytest.mark.parametrize("value", [0, -1, 601, float("nan"), float("inf"), True, "5"])
def test_timers_have_bounds(name: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: value}, Timers)


def test_a_sign_on_must_have_time_for_its_steps() -> None:
    with pytest.raises(ValueError, match="at least queue"):
        Timers(sign_on=100.0)
    assert Timers(sign_on=107.0).sign_on == 107.0
