"""pure. What libpam makes of a stack, when each module returns what it is told to.

The rules are those of libpam 1.5's pam_dispatch.c; tests hold this to the system's own libpam.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from pam_agent.stack_codes import MUST_FAIL, Action, Code
from pam_agent.stack_file import Entry, Role


class Impression(Enum):
    """What the modules so far have left."""

    NONE = "none"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class State:
    """Between two entries of a stack. `at` is the next one's index, or behind the last.

    `level` is that of the entry before; `saved` what stood when each level was entered.
    """

    at: int = 0
    impression: Impression = Impression.NONE
    status: Code = MUST_FAIL
    level: int = 0
    saved: tuple[tuple[Impression, Code], ...] = ((Impression.NONE, MUST_FAIL),)
    incomplete: bool = False

    @property
    def result(self) -> Code:
        """What the application is told, if this is the end."""
        if self.incomplete:
            return Code.INCOMPLETE
        if self.status is Code.SUCCESS and self.impression is not Impression.GOOD:
            return MUST_FAIL
        return self.status


START: Final = State()


def run(stack: Sequence[Entry], answer: Callable[[int], Code]) -> Code:
    """The result, where `answer` says what the module of an entry, by its index, returns."""
    state = START
    while state.at < len(stack):
        entry = stack[state.at]
        state = step(stack, state, answer(state.at) if entry.role is Role.MODULE else MUST_FAIL)
    return state.result


def step(stack: Sequence[Entry], state: State, code: Code) -> State:
    """Past the entry that is next, whose module returned `code`."""
    at, entry = state.at, stack[state.at]
    level = entry.level
    if state.level < level:
        state = replace(
            state, saved=(*state.saved[:level], (state.impression, state.status)), level=level
        )
    state = replace(state, level=level)
    if entry.role is Role.SUBSTACK:
        return replace(state, at=at + 1)
    if code is Code.INCOMPLETE:
        return replace(state, at=len(stack), incomplete=True)
    action = entry.actions[code]
    if action > 0:
        return _jumped(stack, state, action)
    over = False
    match action:
        case Action.RESET:
            impression, status = state.saved[level]
            state = replace(state, impression=impression, status=status)
        case Action.OK | Action.DONE:
            if _unspoilt(state):
                state = replace(state, impression=Impression.GOOD, status=code)
            over = action == Action.DONE and state.impression is Impression.GOOD
        case Action.BAD | Action.DIE:
            if state.impression is not Impression.BAD:
                status = MUST_FAIL if code is Code.IGNORE else code
                state = replace(state, impression=Impression.BAD, status=status)
            over = action == Action.DIE
    return replace(state, at=_end_of_level(stack, at) if over else at + 1)


def _unspoilt(state: State) -> bool:
    """Whether the next success counts: nothing before it has given another result."""
    return state.impression is Impression.NONE or (
        state.impression is Impression.GOOD and state.status is Code.SUCCESS
    )


def _end_of_level(stack: Sequence[Entry], at: int) -> int:
    """The index behind the (sub)stack that the entry at `at` is in."""
    level = stack[at].level
    end = at + 1
    while end < len(stack) and stack[end].level >= level:
        end += 1
    return end


def _jumped(stack: Sequence[Entry], state: State, many: int) -> State:
    """Past `many` more entries of this level, a substack counting as one with all that is in it.

    A jump that leads out of its (sub)stack is a mistake, and never ends well.
    """
    level, at = state.level, state.at + 1
    while many > 0 and at < len(stack) and stack[at].level >= level:
        at += 1
        while at < len(stack) and stack[at].level > level:
            at += 1
        many -= 1
    if many > 0:
        return replace(state, at=at, impression=Impression.BAD, status=MUST_FAIL)
    return replace(state, at=at)
