from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_agent.policy import MAX_SIGN_ONS, MAX_SIGN_ONS_PER_ACCOUNT, MAX_SILENT_SIGN_ONS
from pam_agent.waiting import MAX_CALLS_OF_USERS, MAX_CALLS_PER_UID, Calls, Place, Silent, Waiting


def drawing(*passcodes: str) -> Callable[[], str]:
    drawn: Iterator[str] = iter(passcodes)
    return lambda: next(drawn)


def nothing() -> None:
    pass


def entered(waiting: Waiting, account: str, passcode: str) -> Place:
    place = waiting.enter(account, drawing(passcode), nothing)
    assert place is not None
    return place


def test_a_passcode_occurs_once_among_an_accounts_sign_ons() -> None:
    waiting = Waiting()
    entered(waiting, "alice", "1")
    second = waiting.enter("alice", drawing("1", "1", "2"), nothing)
    assert second is not None
    assert second.passcode == "2"
    assert entered(waiting, "bob", "1").passcode == "1"


def test_a_passcode_is_free_again_when_its_sign_on_is_over() -> None:
    waiting = Waiting()
    waiting.leave(entered(waiting, "alice", "1"))
    assert entered(waiting, "alice", "1").passcode == "1"


def test_one_account_has_only_so_many() -> None:
    waiting = Waiting(most=10, most_per_account=2)
    first = entered(waiting, "alice", "1")
    entered(waiting, "alice", "2")
    assert waiting.enter("alice", drawing("3"), nothing) is None
    entered(waiting, "bob", "3")
    waiting.leave(first)
    entered(waiting, "alice", "4")


def test_all_together_have_only_so_many() -> None:
    waiting = Waiting(most=2, most_per_account=2)
    first = entered(waiting, "alice", "1")
    entered(waiting, "bob", "1")
    assert waiting.enter("carol", drawing("1"), nothing) is None
    assert len(waiting) == 2
    waiting.leave(first)
    entered(waiting, "carol", "1")


def test_the_defaults() -> None:
    waiting = Waiting()
    for number in range(MAX_SIGN_ONS):
        account = f"user{number // MAX_SIGN_ONS_PER_ACCOUNT}"
        entered(waiting, account, str(number))
    assert waiting.enter("another", drawing("1"), nothing) is None
    waiting = Waiting()
    for number in range(MAX_SIGN_ONS_PER_ACCOUNT):
        entered(waiting, "alice", str(number))
    assert waiting.enter("alice", drawing("x"), nothing) is None


def test_revoking_ends_every_sign_on_of_the_account_and_no_other() -> None:
    waiting = Waiting()
    ended: list[str] = []
    places: list[Place] = []

    def entering(account: str, passcode: str) -> None:
        def revoke() -> None:
            ended.append(account + passcode)
            waiting.leave(places[0])  # the end of one while all are told
            del places[0]

        place = waiting.enter(account, drawing(passcode), revoke)
        assert place is not None
        places.append(place)

    entering("alice", "1")
    entering("alice", "2")
    entering("bob", "1")
    waiting.revoke("alice")
    assert ended == ["alice1", "alice2"]
    waiting.revoke("alice")
    waiting.revoke("nobody")
    assert len(ended) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_counts_are_those_of_an_obvious_list(steps: list[tuple[str, bool]]) -> None:
    waiting, there = Waiting(most=5, most_per_account=3), list[Place]()
    for number, (account, leaves) in enumerate(steps):
        if leaves and there:
            waiting.leave(there.pop(0))
        elif not leaves:
            room = len(there) < 5 and sum(p.account == account for p in there) < 3
            place = waiting.enter(account, drawing(str(number)), nothing)
            assert (place is not None) is room
            if place is not None:
                there.append(place)
        assert len(waiting) == len(there)


@pytest.mark.parametrize("uid", [1000, 65534])
def test_a_user_may_hold_only_so_many_connections(uid: int) -> None:
    calls = Calls()
    assert all(calls.enter(uid) for _ in range(MAX_CALLS_PER_UID))
    assert not calls.enter(uid)
    assert calls.enter(uid + 1)
    calls.leave(uid)
    assert calls.enter(uid)


def test_all_users_together_leave_places_to_root() -> None:
    calls = Calls()
    assert all(calls.enter(200_000 + number) for number in range(MAX_CALLS_OF_USERS))
    assert not calls.enter(1000)
    assert all(calls.enter(0) for _ in range(MAX_SIGN_ONS - MAX_CALLS_OF_USERS))
    calls.leave(200_000)
    assert calls.enter(1000)
    assert MAX_SIGN_ONS - MAX_CALLS_OF_USERS >= MAX_SILENT_SIGN_ONS


def test_root_is_not_counted_out() -> None:
    calls = Calls(most_per_uid=1)
    assert all(calls.enter(0) for _ in range(3))
    assert len(calls) == 3
    for _ in range(3):
        calls.leave(0)
    assert len(calls) == 0


def test_silent_ones_leave_room_for_the_others() -> None:
    silent = Silent()
    assert all(silent.enter() for _ in range(MAX_SILENT_SIGN_ONS))
    assert not silent.enter()
    assert len(silent) == MAX_SILENT_SIGN_ONS <= MAX_SIGN_ONS / 4
    silent.leave()
    assert silent.enter()
