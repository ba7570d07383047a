"""A device and a copy of its store: the second of the two is found out, or is void."""

from dataclasses import dataclass, replace

import pytest

from protocol.errors import ActivationFailedError
from protocol.limits import RETIRED_GENERATIONS
from protocol.ratchet import Generation, Ratchet
from tests.protocol.lossy import (
    START,
    CloneAlarmError,
    Cut,
    VoidError,
    World,
    new_root,
    sign_on,
    sketched_sign_on,
)

# What a loss before DECISION does to the stores, the tests of losses show: nothing.
CUTS = (Cut.RECEIPT, Cut.CONFIRM, Cut.NONE)
HONEST, CLONE = 0, 1


@dataclass(frozen=True)
class Held:
    """A DECISION that the network holds back."""

    who: int
    base: Generation
    opened: Ratchet


@dataclass(frozen=True)
class Both:
    """The agent's ratchet, what each of the two holds, and what happened since the copy."""

    ratchet: Ratchet
    holds: tuple[Generation, Generation]
    completed: frozenset[int] = frozenset()
    """Who has had a sign-on with CONFIRM."""
    stored: bool = False
    """Whether one of the two has moved on to a generation of its own."""
    accepted: frozenset[int] = frozenset()
    """Whose decisions were followed since then."""
    held_back: tuple[Held, ...] = ()


@dataclass
class Search:
    """Counts how the branches end, so that no end can go missing unseen."""

    alarms: int = 0
    overtaken: int = 0
    leaves: int = 0

    def explore(self, both: Both, depth: int) -> None:
        if depth == 0:
            self.leaves += 1
            return
        for who in (HONEST, CLONE):
            for cut in CUTS:
                self.sign_on(both, who, cut, depth)
            held = Held(who, both.holds[who], both.ratchet)
            if held.base in both.ratchet.candidates() and len(both.held_back) < 2:
                self.explore(replace(both, held_back=(*both.held_back, held)), depth - 1)
        for held in both.held_back:
            self.deliver(both, held, depth)

    def sign_on(self, both: Both, who: int, cut: Cut, depth: int) -> None:
        try:
            after = sketched_sign_on(World(both.ratchet, both.holds[who]), cut)
        except CloneAlarmError:
            self.alarms += 1  # the device is disabled for good
            return
        except VoidError:
            self.explore(both, depth - 1)
            return
        followed = self.follow(both, who, after.ratchet)
        holds = (
            (after.held, both.holds[CLONE]) if who == HONEST else (both.holds[HONEST], after.held)
        )
        completed = followed.completed | ({who} if cut is Cut.NONE else set())
        stored = both.stored or cut is not Cut.RECEIPT
        self.explore(replace(followed, holds=holds, completed=completed, stored=stored), depth - 1)

    def deliver(self, both: Both, held: Held, depth: int) -> None:
        both = replace(both, held_back=tuple(h for h in both.held_back if h is not held))
        if both.ratchet.overtaken(held.base, held.opened):
            self.overtaken += 1
            self.explore(both, depth - 1)
            return
        ratchet = both.ratchet.decided(held.base, new_root())
        if ratchet is None:
            self.alarms += 1
            return
        self.explore(self.follow(both, held.who, ratchet), depth - 1)

    def follow(self, both: Both, who: int, ratchet: Ratchet) -> Both:
        """A decision of `who` was followed: may that be?"""
        other = 1 - who
        assert other not in both.completed, "came second after a confirmed decision"
        accepted = both.accepted | {who} if both.stored else both.accepted
        assert len(accepted) < 2, "both went on after one of them had moved"
        return replace(both, ratchet=ratchet, accepted=accepted)


def histories(depth: int) -> list[World]:
    """What the honest device may have been through before its store was copied."""
    worlds = [START]
    for _ in range(depth):
        worlds += [sketched_sign_on(world, cut) for world in worlds for cut in CUTS]
    return worlds


@pytest.mark.parametrize("world", histories(2))
def test_whoever_comes_second_rings_the_alarm_or_is_void(world: World) -> None:
    """All interleavings of five sign-ons of the two, with losses and with decisions held back."""
    search = Search()
    search.explore(Both(world.ratchet, (world.held, world.held)), depth=5)
    assert search.alarms
    assert search.overtaken
    assert search.leaves


@pytest.mark.parametrize("sign_ons", range(1, 12))
def test_an_old_copy_is_void_in_the_end(sign_ons: int) -> None:
    """The real machines: the alarm for as long as its generation is remembered, then nothing."""
    world = START
    for _ in range(sign_ons):
        world = sign_on(world, Cut.NONE)
    copy = World(world.ratchet, START.held)
    if sign_ons <= RETIRED_GENERATIONS:
        with pytest.raises(CloneAlarmError):
            sign_on(copy, Cut.NONE)
    else:
        with pytest.raises(ActivationFailedError):
            sign_on(copy, Cut.NONE)


@pytest.mark.parametrize("cut", [Cut.H1, Cut.CONTEXT, Cut.DECISION])
def test_a_copy_that_does_not_decide_rings_nothing(cut: Cut) -> None:
    """The alarm wants a DECISION: an H1 alone, the network could have recorded."""
    world = sign_on(START, Cut.NONE)
    copy = World(world.ratchet, START.held)
    assert sign_on(copy, cut) == copy
