from dataclasses import dataclass

import pytest

from pam_agent.sign_ons import MAX_REMEMBERED, REMEMBERED_SECONDS, Kind, SignOns, Stage, Story


def story(name: str, outcome: str = "", kind: Kind = Kind.SIGN_ON) -> Story:
    return Story(kind, name, outcome, "waiting", "alice", 0.0, {}, {})


@dataclass
class UnderWay:
    name: str
    stage: Stage = Stage.WAITING
    kind: Kind = Kind.SIGN_ON

    def story(self) -> Story:
        return story(self.name)


def ended(sign_ons: SignOns, name: str, now: float, outcome: str = "approved") -> None:
    sign_ons.begin(name, UnderWay(name))
    sign_ons.end(story(name, outcome), now)


def test_one_is_found_while_it_is_under_way_and_after_it() -> None:
    sign_ons = SignOns()
    sign_ons.begin("a", UnderWay("a"))
    assert sign_ons.find("a", 0.0) == story("a")
    assert sign_ons.remembered(0.0) == 0
    sign_ons.end(story("a", "approved"), 1.0)
    assert sign_ons.find("a", 1.0) == story("a", "approved")
    assert sign_ons.find("b", 1.0) is None
    assert sign_ons.remembered(1.0) == 1


def test_the_oldest_make_room() -> None:
    sign_ons = SignOns()
    for number in range(MAX_REMEMBERED + 1):
        ended(sign_ons, str(number), 0.0)
    assert sign_ons.remembered(0.0) == MAX_REMEMBERED
    assert sign_ons.find("0", 0.0) is None
    assert sign_ons.find("1", 0.0) is not None


def test_they_are_forgotten_in_time() -> None:
    sign_ons = SignOns()
    ended(sign_ons, "a", 0.0)
    ended(sign_ons, "b", 1.0)
    assert sign_ons.find("a", REMEMBERED_SECONDS - 0.1) is not None
    assert sign_ons.find("a", REMEMBERED_SECONDS) is None
    assert sign_ons.remembered(REMEMBERED_SECONDS) == 1
    ended(sign_ons, "c", 2 * REMEMBERED_SECONDS)
    assert sign_ons.remembered(0.0) == 1


def test_they_are_counted_by_stage_and_by_outcome() -> None:
    sign_ons = SignOns()
    for name, stage in (("a", Stage.WAITING), ("b", Stage.WAITING), ("c", Stage.RUNNING)):
        sign_ons.begin(name, UnderWay(name, stage))
    assert sign_ons.at(Stage.WAITING) == 2
    assert sign_ons.at(Stage.WAITING, Stage.RUNNING) == 3
    assert sign_ons.at(Stage.QUEUEING) == 0
    sign_ons.end(story("a", "expired"), 0.0)
    sign_ons.end(story("b", "expired", Kind.ENROLMENT), 0.0)
    sign_ons.end(story("c", "expired"), 0.0)
    assert sign_ons.ended == {Kind.SIGN_ON: {"expired": 2}, Kind.ENROLMENT: {"expired": 1}}
    assert sign_ons.at(*Stage) == 0


def test_what_ends_has_begun() -> None:
    with pytest.raises(KeyError):
        SignOns().end(story("a", "approved"), 0.0)


def test_times_are_those_of_sign_ons_that_came_so_far() -> None:
    sign_ons = SignOns()
    for name, steps, kind in (
        ("a", {"queued": 0.02, "shown": 0.03, "decided": 7.03}, Kind.SIGN_ON),
        ("b", {"queued": 0.3}, Kind.SIGN_ON),
        ("c", {"decided": 1.0}, Kind.SIGN_ON),
        ("d", {"queued": 0.02}, Kind.ENROLMENT),
    ):
        sign_ons.begin(name, UnderWay(name))
        sign_ons.end(Story(kind, name, "expired", "", "alice", 0.0, steps, {}), 0.0)
    queued = sign_ons.queued.family("q", "").samples
    assert ("_count", {}, 2) in queued
    assert ("_bucket", {"le": "0.025"}, 1) in queued
    decided = sign_ons.decided.family("d", "").samples
    assert ("_count", {}, 1) in decided
    assert ("_bucket", {"le": "5"}, 0) in decided
    assert ("_bucket", {"le": "10"}, 1) in decided
