"""Whatever the network loses or holds back, the honest device is never locked out or alarmed."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from protocol.errors import ProtocolError
from protocol.ratchet import Generation, Ratchet, Standing
from tests.protocol.joined import Enrolment, Joined
from tests.protocol.lossy import FIRST, START, Cut, World, new_root, sign_on, sketched_sign_on

LIVE = (Standing.CURRENT, Standing.PENDING)


def shape(world: World) -> tuple[object, ...]:
    """The two stores but for the roots: what the sketch must have in common with the machines."""
    ratchet, held = world.ratchet, world.held
    return (
        held.number,
        ratchet.standing(held),
        ratchet.current.number,
        None if ratchet.pending is None else ratchet.pending.number,
        tuple(generation.number for generation in ratchet.retired),
    )


def walk(world: World, sketch: World, depth: int) -> int:
    """Try each loss at each of the next `depth` sign-ons; how many sign-ons that were."""
    if depth == 0:
        return 0
    tried = 0
    for cut in Cut:
        after = sign_on(world, cut)
        after_sketch = sketched_sign_on(sketch, cut)
        assert after.ratchet.standing(after.held) in LIVE
        assert shape(after) == shape(after_sketch)
        tried += 1 + walk(after, after_sketch, depth - 1)
    return tried


@pytest.mark.parametrize("first", Cut)
@pytest.mark.parametrize("second", Cut)
def test_every_loss_pattern_of_six_sign_ons(first: Cut, second: Cut) -> None:
    """The real machines, exhaustively: 6 ** 6 patterns, here in 36 parts.

    Any alarm or any H1 that does not open would be an exception.
    """
    world, sketch = START, START
    for cut in (first, second):
        world, sketch = sign_on(world, cut), sketched_sign_on(sketch, cut)
    assert walk(world, sketch, 4) == 6 + 6**2 + 6**3 + 6**4


# ---- held back and delivered late ----------------------------------------------------------------


@dataclass(frozen=True)
class HeldDecision:
    """A DECISION on its way: the device has given up, the agent still waits for it."""

    base: Generation
    opened: Ratchet

    def deliver(self, world: World) -> World:
        """As an agent must take it."""
        if world.ratchet.overtaken(self.base, self.opened):
            return world
        ratchet = world.ratchet.decided(self.base, new_root())
        assert ratchet is not None, "clone alarm"
        return World(ratchet, world.held)


def futures(
    world: World, held_back: tuple[HeldDecision, ...]
) -> Iterator[tuple[World, tuple[HeldDecision, ...]]]:
    """Everything that may happen next."""
    for cut in (Cut.RECEIPT, Cut.CONFIRM, Cut.NONE):
        yield sketched_sign_on(world, cut), held_back
    yield world, (*held_back, HeldDecision(world.held, world.ratchet))
    for held in held_back:
        yield held.deliver(world), tuple(other for other in held_back if other is not held)


def test_decisions_held_back_lock_nobody_out_and_alarm_nobody() -> None:
    """All interleavings of sign-ons that lose messages with such that the network holds back."""

    def explore(world: World, held_back: tuple[HeldDecision, ...], depth: int) -> int:
        assert world.ratchet.standing(world.held) in LIVE
        if depth == 0:
            return 1
        return sum(explore(*future, depth - 1) for future in futures(world, held_back))

    assert explore(START, (), 8) > 200_000


@pytest.mark.parametrize("cut", [Cut.CONFIRM, Cut.NONE])
def test_without_the_rule_a_held_decision_would_ring_the_alarm(cut: Cut) -> None:
    """Why `overtaken` is asked first: the real machines, and a relay that holds one frame back.

    It lets the next sign-on through (or loses its CONFIRM) and then delivers the first DECISION.
    """
    held = Joined().run(until="DECISION")
    after = sign_on(START, cut)
    held.agent.receive_decision(held.frames["DECISION"])
    late = held.agent.base, held.agent.next_root
    assert after.ratchet.overtaken(held.agent.base, opened=START.ratchet)

    followed = after.ratchet.decided(*late)
    if cut is Cut.NONE:
        assert followed is None
    else:
        assert followed is not None
        assert followed.decided(after.held, new_root()) is None  # at the honest device's next one


@pytest.mark.parametrize("sign_ons", range(12))
def test_a_recorded_h1_changes_nothing_at_any_later_time(sign_ons: int) -> None:
    """It opens under a retired generation, or under none; no DECISION can follow."""
    recorded = Joined().run()
    world = START
    for _ in range(sign_ons):
        world = sign_on(world, Cut.NONE)
    agent = Enrolment().agent(*world.ratchet.candidates())
    if sign_ons > 8:
        with pytest.raises(ProtocolError, match="no generation"):
            agent.receive_h1(recorded.frames["H1"])
    else:
        agent.receive_h1(recorded.frames["H1"])
        assert agent.base == FIRST
        agent.context(Enrolment().context())
        with pytest.raises(ProtocolError):
            agent.receive_decision(recorded.frames["DECISION"])
    with pytest.raises(RuntimeError):
        _ = agent.next_root
