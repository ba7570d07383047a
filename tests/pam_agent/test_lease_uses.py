import pytest

from pam_agent.lease_uses import ENTRY_SECONDS, LeaseUse, LeaseUses, told_times
from pam_agent.leases import MAX_LEASES

ADA = LeaseUse("ada", "dovecot", "192.0.2.1")
BOB = LeaseUse("bob", "dovecot", "192.0.2.1")


def test_the_first_is_told_at_once_and_the_others_together() -> None:
    uses = LeaseUses()
    assert uses.count(ADA, 0.0) == 1
    assert [uses.count(ADA, float(n)) for n in range(1, 4)] == [0, 0, 0]
    assert uses.count(BOB, 5.0) == 1
    assert uses.count(ADA, ENTRY_SECONDS - 0.1) == 0
    assert uses.count(ADA, ENTRY_SECONDS) == 5
    assert uses.count(ADA, ENTRY_SECONDS + 1) == 0


def test_what_is_due_without_another_use() -> None:
    uses = LeaseUses()
    for use in (ADA, ADA, ADA, BOB):
        uses.count(use, 0.0)
    assert uses.due(ENTRY_SECONDS - 0.1) == []
    assert uses.due(ENTRY_SECONDS) == [(ADA, 2)]
    uses.told(ADA, ENTRY_SECONDS)
    assert uses.due(ENTRY_SECONDS) == []
    assert uses.due(2 * ENTRY_SECONDS) == []
    assert len(uses._untold) == 0


def test_what_is_left() -> None:
    uses = LeaseUses()
    for use in (ADA, ADA, BOB):
        uses.count(use, 0.0)
    assert uses.untold() == [(ADA, 1)]


def test_the_memory_is_bounded() -> None:
    uses = LeaseUses()
    for number in range(MAX_LEASES + 10):
        assert uses.count(LeaseUse(str(number), "", ""), 0.0) == 1
    assert len(uses._untold) == MAX_LEASES
    assert uses.count(LeaseUse("0", "", ""), 0.0) == 1
    assert uses.count(LeaseUse(str(MAX_LEASES), "", ""), 0.0) == 0


@pytest.mark.parametrize(("times", "text"), [(1, ""), (7, "7 times since the entry before")])
def test_what_an_entry_says(times: int, text: str) -> None:
    assert told_times(times) == text
