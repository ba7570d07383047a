"""The agent's ratchet against a slow and obvious model of it."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.limits import RETIRED_GENERATIONS
from protocol.ratchet import Generation, Ratchet, Standing
from tests.protocol.lossy import new_root

G0, G1, G2, OTHER = (Generation(n, bytes((n,)) * 32) for n in (0, 1, 2, 9))


# ---- the cases one by one ------------------------------------------------------------------------


def test_a_decision_under_the_current_generation_makes_the_next_one_pending() -> None:
    assert Ratchet(G0).decided(G0, G1.root) == Ratchet(G0, pending=G1)


def test_confirm_makes_it_current_and_retires_the_old_one() -> None:
    assert Ratchet(G0, G1).confirmed(G1) == Ratchet(G1, None, (G0,))


def test_a_decision_under_pending_commits_it() -> None:
    assert Ratchet(G0, G1).decided(G1, G2.root) == Ratchet(G1, G2, (G0,))


def test_a_second_decision_under_current_retires_what_was_pending() -> None:
    replaced = Ratchet(G0, G1).decided(G0, OTHER.root)
    assert replaced == Ratchet(G0, Generation(1, OTHER.root), (G1,))


@pytest.mark.parametrize("base", [G0, OTHER, Generation(0, G1.root), Generation(1, G0.root)])
def test_a_decision_under_anything_else_is_the_clone_alarm(base: Generation) -> None:
    assert Ratchet(G1, G2, (G0,)).decided(base, OTHER.root) is None


@pytest.mark.parametrize("late", [G0, G1, OTHER, Generation(2, OTHER.root), Generation(3, G2.root)])
def test_a_confirm_that_comes_late_changes_nothing(late: Generation) -> None:
    ratchet = Ratchet(G1, G2, (G0,))
    assert ratchet.confirmed(late) == ratchet
    assert Ratchet(G1).confirmed(late) == Ratchet(G1)


def test_the_likely_generations_are_tried_first() -> None:
    assert Ratchet(G1, G2, (G0,)).candidates() == (G2, G1, G0)
    assert Ratchet(G0).candidates() == (G0,)


def test_standing() -> None:
    ratchet = Ratchet(G1, G2, (G0,))
    assert [ratchet.standing(g) for g in (G1, G2, G0, OTHER)] == list(Standing)


@pytest.mark.parametrize(
    ("now", "overtaken"),
    [
        (Ratchet(G0, G1), False),
        (Ratchet(G1, None, (G0,)), False),
        (Ratchet(G0, OTHER, (G1,)), True),
        (Ratchet(G1, G2, (G0,)), True),
        (Ratchet(G2, None, (G1, G0)), True),
    ],
    ids=["nothing", "the earlier CONFIRM", "a decision under current", "one under pending", "both"],
)
@pytest.mark.parametrize("base", [G0, G1])
def test_what_came_between_h1_and_decision(now: Ratchet, overtaken: bool, base: Generation) -> None:
    assert now.overtaken(base, opened=Ratchet(G0, G1)) is overtaken


def test_who_opened_under_a_retired_generation_is_never_merely_overtaken() -> None:
    opened, now = Ratchet(G1, None, (G0,)), Ratchet(G1, G2, (G0,))
    assert not now.overtaken(G0, opened)
    assert now.decided(G0, OTHER.root) is None


# ---- the model -----------------------------------------------------------------------------------


class RatchetAgainstModel(RuleBasedStateMachine):
    """The model writes down everything that ever happened, and looks it up."""

    @initialize()
    def start(self) -> None:
        first = Generation(0, new_root())
        self.ratchet = Ratchet(first)
        self.known = [first]
        self.current, self.pending = first, None
        self.retired_in_order: list[Generation] = []
        self.decisions = 0
        self.snapshots = [(self.ratchet, {first}, self.decisions)]

    def live(self) -> set[Generation]:
        return {self.current} | ({self.pending} if self.pending else set())

    @rule(data=st.data())
    def decision(self, data: st.DataObject) -> None:
        """Under any generation that ever was."""
        base, root = data.draw(st.sampled_from(self.known)), new_root()
        after = self.ratchet.decided(base, root)
        if base not in self.live():
            assert after is None
            return
        assert after is not None
        self.ratchet = after
        if base == self.pending:
            self.retired_in_order.append(self.current)
            self.current = base
        elif self.pending is not None:
            self.retired_in_order.append(self.pending)
        self.pending = Generation(base.number + 1, root)
        self.known.append(self.pending)
        self.decisions += 1

    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """For any generation that ever was."""
        successor = data.draw(st.sampled_from(self.known))
        self.ratchet = self.ratchet.confirmed(successor)
        if successor == self.pending:
            self.retired_in_order.append(self.current)
            self.current, self.pending = successor, None

    @rule()
    def remember(self) -> None:
        """A sign-on's H1 opens now; its DECISION may come at any time later."""
        self.snapshots.append((self.ratchet, self.live(), self.decisions))

    @rule(data=st.data())
    def late_decision(self, data: st.DataObject) -> None:
        opened, live, decisions = data.draw(st.sampled_from(self.snapshots))
        base = data.draw(st.sampled_from(self.known))
        moved = self.decisions > decisions
        assert self.ratchet.overtaken(base, opened) == (moved and base in live)

    @invariant()
    def stands_as_written_down(self) -> None:
        remembered = self.retired_in_order[-RETIRED_GENERATIONS:]
        for generation in self.known:
            if generation == self.current:
                expected = Standing.CURRENT
            elif generation == self.pending:
                expected = Standing.PENDING
            else:
                expected = Standing.RETIRED if generation in remembered else Standing.UNKNOWN
            assert self.ratchet.standing(generation) is expected
        assert set(self.ratchet.candidates()) == {*self.live(), *remembered}
        assert len(self.ratchet.retired) == min(len(self.retired_in_order), 8)


TestRatchetAgainstModel = RatchetAgainstModel.TestCase
TestRatchetAgainstModel.settings = settings(max_examples=100, stateful_step_count=40)
