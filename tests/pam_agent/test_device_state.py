import itertools

import pytest

from pam_agent.device_state import confirmed, decided, failed, succeeded, unsuccessful
from pam_agent.policy import DISABLING_FAILURE, MAX_FAILURES_SINCE, backoff_seconds
from pam_agent.records import AccountStanding, Decided, DisabledReason
from protocol.ratchet import Generation, Ratchet
from tests.support.agent_store import NOW, device

OLD, CURRENT, PENDING, NEXT = (Generation(n, bytes([n]) * 32) for n in range(4))
RATCHETS = {
    "fresh": Ratchet(CURRENT),
    "pending": Ratchet(CURRENT, PENDING),
    "retired": Ratchet(CURRENT, None, (OLD,)),
    "both": Ratchet(CURRENT, PENDING, (OLD,)),
}


@pytest.mark.parametrize(
    ("stored", "opened", "base", "disabled"),
    list(
        itertools.product(
            RATCHETS.values(),
            RATCHETS.values(),
            (OLD, CURRENT, PENDING, NEXT),
            (None, *DisabledReason),
        )
    ),
)
def test_a_decision_is_what_the_ratchet_says(
    stored: Ratchet, opened: Ratchet, base: Generation, disabled: DisabledReason | None
) -> None:
    before = device(ratchet=stored, disabled=disabled, failures=3)
    result, after = decided(before, base, NEXT.root, opened=opened, success=True, now=NOW)
    if disabled is not None:
        assert (result, after) == (Decided.DISABLED, before)
    elif stored.overtaken(base, opened):
        assert (result, after) == (Decided.OVERTAKEN, before)
    elif stored.decided(base, NEXT.root) is None:
        assert result is Decided.DISABLED
        assert after == device(ratchet=stored, disabled=DisabledReason.CLONE, failures=3)
    else:
        assert result is Decided.MOVED
        assert after.ratchet == stored.decided(base, NEXT.root)
        assert after.disabled is None


@pytest.mark.parametrize("success", [True, False])
@pytest.mark.parametrize("proved", [True, False])
def test_only_the_success_of_a_proved_device_ends_its_failures(success: bool, proved: bool) -> None:
    before = device(failures=4, backoff_until=NOW + 5, proved=proved)
    base, opened = before.ratchet.current, before.ratchet
    result, after = decided(before, base, NEXT.root, opened=opened, success=success, now=NOW + 0.9)
    assert result is Decided.MOVED
    ended = success and proved
    assert (after.failures, after.backoff_until) == ((0, 0.0) if ended else (4, NOW + 5))
    assert after.last_used == (int(NOW) if ended else 0)
    assert after.proved is proved


def test_failures_in_a_row() -> None:
    found = device()
    for number in range(1, 2 * DISABLING_FAILURE):
        found = failed(found, NOW)
        assert found.failures == min(number, DISABLING_FAILURE)
        assert found.backoff_until == NOW + backoff_seconds(found.failures)
        assert (found.disabled is not None) is (number >= DISABLING_FAILURE)


def test_failures_do_not_hide_a_clone() -> None:
    cloned = device(disabled=DisabledReason.CLONE, failures=9)
    assert failed(cloned, NOW).disabled is DisabledReason.CLONE


def test_a_confirmation() -> None:
    before = device(ratchet=Ratchet(CURRENT, PENDING))
    assert confirmed(before, PENDING).ratchet == Ratchet(PENDING, None, (CURRENT,))
    assert confirmed(before, NEXT) == before


def test_tickets_are_counted_in_the_current_generation() -> None:
    before = device(ratchet=Ratchet(CURRENT, PENDING), ticket_counter=5)
    assert confirmed(before, NEXT).ticket_counter == 5
    assert confirmed(before, PENDING).ticket_counter == 0
    for base, counter in ((CURRENT, 5), (PENDING, 0)):
        _, after = decided(before, base, NEXT.root, opened=before.ratchet, success=True, now=NOW)
        assert after.ticket_counter == counter


def test_standing() -> None:
    standing = AccountStanding(last_success=7, failures_since=MAX_FAILURES_SINCE - 1)
    standing = unsuccessful(standing)
    assert standing == AccountStanding(7, MAX_FAILURES_SINCE)
    assert unsuccessful(standing) == standing
    assert succeeded(NOW + 0.9) == AccountStanding(int(NOW), 0)
