from tests.validator.pairs import record
from validator.record import State
from validator.selection import distinct, matching

WEB1 = record("web1", "alice")
WEB1_BOB = record("web1", "bob")
WEB10 = record("web10", "alice")
DB = record("db", "alice")
ALL = (WEB10, WEB1_BOB, DB, WEB1)


def test_sorted_by_host_and_user():
    assert distinct(ALL) == (DB, WEB1, WEB1_BOB, WEB10)


def test_an_active_enrolment_hides_others_of_the_same_user_and_host():
    newer_unproved = record("web1", "alice", state=State.UNPROVED, enrolled_at=2**40)
    disabled = record("web1", "alice", state=State.DISABLED, enrolled_at=2**41)
    assert distinct((newer_unproved, WEB1, disabled)) == (WEB1,)
    assert distinct((newer_unproved, disabled)) == (newer_unproved,)


def test_the_newest_of_equals_wins():
    newer = record("web1", "alice", enrolled_at=WEB1.enrolled_at + 1)
    assert distinct((newer, WEB1)) == (newer,)


def test_no_label_leaves_all():
    assert matching(ALL, None) == distinct(ALL)
    assert matching(ALL, None, "bob") == (WEB1_BOB,)


def test_an_exact_label_leaves_out_longer_ones():
    assert matching(ALL, "web1", "alice") == (WEB1,)
    assert matching(ALL, "web1") == (WEB1, WEB1_BOB)


def test_the_beginning_of_a_label_is_enough():
    assert matching(ALL, "d") == (DB,)
    assert matching(ALL, "web") == (WEB1, WEB1_BOB, WEB10)
    assert matching(ALL, "eb1") == ()
    assert matching(ALL, "web1", "carol") == ()


def test_a_label_without_its_case_comes_after_one_that_fits():
    assert matching(ALL, "WEB1", "alice") == (WEB1,)
    capitals = record("WEB1", "alice")
    assert matching((*ALL, capitals), "WEB1", "alice") == (capitals,)
    assert matching((*ALL, capitals), "Web1", "alice") == (capitals, WEB1)
