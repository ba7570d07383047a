import pytest

from pam_agent.retries import FIRST_RETRY, LAST_RETRY, STEADY, Retries


def test_pauses_double_up_to_their_cap() -> None:
    retries = Retries()
    pauses = [retries.pause(1.0) for _ in range(9)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, LAST_RETRY, LAST_RETRY, LAST_RETRY]


def test_full_jitter() -> None:
    retries = Retries()
    assert retries.pause(0.0) == 0
    assert retries.pause(0.5) == FIRST_RETRY


@pytest.mark.parametrize(("up", "pause"), [(0.0, 2.0), (STEADY - 0.1, 2.0), (STEADY, 0.25)])
def test_only_a_steady_link_begins_anew(up: float, pause: float) -> None:
    retries = Retries()
    for _ in range(3):
        retries.pause(1.0)
    retries.ended(up)
    assert retries.pause(1.0) == pause


def test_attempts_without_end_do_not_overflow() -> None:
    retries = Retries()
    assert max(retries.pause(1.0) for _ in range(2000)) == LAST_RETRY
