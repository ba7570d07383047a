"""How ends are told; that each is reached for real is in test_ends.py."""

import itertools

import pytest

from pam_agent.local_wire import Result
from pam_agent.outcomes import (
    LETS_IN,
    SignOnEnd,
    concluded,
    ends_those_who_joined,
    result_of,
    told_late,
)
from pam_agent.records import Decided
from protocol.signon_messages import SignOnOutcome, Verdict

RESULTS = {
    SignOnEnd.APPROVED: Result.APPROVED,
    SignOnEnd.CODE: Result.APPROVED,
    SignOnEnd.TICKET: Result.APPROVED,
    SignOnEnd.TOTP: Result.APPROVED,
    SignOnEnd.LEASE: Result.APPROVED,
    SignOnEnd.BREAK_GLASS: Result.APPROVED,
    SignOnEnd.NOT_REQUIRED: Result.IGNORED,
    SignOnEnd.UNAVAILABLE: Result.UNAVAILABLE,
    SignOnEnd.CONVERSATION_FAILED: Result.CONVERSATION_FAILED,
    SignOnEnd.STORE_FAILED: Result.FAILED,
}
"""All others are denied; a new word is, until it is named here too."""


@pytest.mark.parametrize("end", SignOnEnd)
def test_what_pam_is_told(end: SignOnEnd) -> None:
    assert result_of(end) is RESULTS.get(end, Result.DENIED)


def test_only_these_let_anybody_in() -> None:
    words = {"approved", "code", "ticket", "totp", "lease", "break-glass"}
    assert {end.value for end in SignOnEnd if result_of(end) is Result.APPROVED} == words
    assert {end.value for end in LETS_IN} == words


def test_what_was_typed_and_is_not_right_is_told_late() -> None:
    late = {SignOnEnd.WRONG_CODE, SignOnEnd.REPLAYED, SignOnEnd.THROTTLED}
    assert {end for end in SignOnEnd if told_late(end)} == late


def test_whose_end_is_everybodys() -> None:
    own = {
        *LETS_IN,
        SignOnEnd.CANCELLED,
        SignOnEnd.CONVERSATION_FAILED,
        SignOnEnd.NOT_SHOWN,
        SignOnEnd.NOT_ALLOWED,
        SignOnEnd.NOT_REQUIRED,
        SignOnEnd.TOO_MANY,
        SignOnEnd.STOPPED,
    }
    typed = {SignOnEnd.WRONG_CODE, SignOnEnd.REPLAYED, SignOnEnd.THROTTLED}
    for end in SignOnEnd:
        assert ends_those_who_joined(end, same_secret=True) is (end not in own)
        assert ends_those_who_joined(end, same_secret=False) is (end not in own | typed)


EVERY = list(
    itertools.product((Decided.MOVED, Decided.DISABLED), Verdict, (True, False), (True, False))
)


@pytest.mark.parametrize(("decided", "verdict", "in_time", "wanted"), EVERY)
def test_one_way_lets_anybody_in(
    decided: Decided, verdict: Verdict, in_time: bool, wanted: bool
) -> None:
    outcome, end = concluded(decided, verdict, in_time=in_time, wanted=wanted)
    good = decided is Decided.MOVED and verdict is Verdict.APPROVE and in_time and wanted
    assert (outcome is SignOnOutcome.SIGNED_ON) is good
    assert (end is SignOnEnd.APPROVED) is good


@pytest.mark.parametrize(
    ("decided", "verdict", "in_time", "wanted", "outcome", "end"),
    [
        (Decided.MOVED, Verdict.DENY, True, True, SignOnOutcome.REFUSED, SignOnEnd.DENIED),
        (Decided.MOVED, Verdict.DENY, False, True, SignOnOutcome.REFUSED, SignOnEnd.DENIED),
        (Decided.MOVED, Verdict.REPORT, True, True, SignOnOutcome.REFUSED, SignOnEnd.REPORTED),
        (Decided.MOVED, Verdict.APPROVE, False, True, SignOnOutcome.TOO_LATE, SignOnEnd.UNDECIDED),
        (Decided.MOVED, Verdict.APPROVE, True, False, SignOnOutcome.REFUSED, SignOnEnd.CANCELLED),
        (Decided.MOVED, Verdict.DENY, True, False, SignOnOutcome.REFUSED, SignOnEnd.CANCELLED),
        (Decided.DISABLED, Verdict.APPROVE, True, True, SignOnOutcome.DISABLED, SignOnEnd.DISABLED),
        (Decided.DISABLED, Verdict.DENY, True, False, SignOnOutcome.DISABLED, SignOnEnd.DISABLED),
    ],
)
def test_what_the_device_is_told_otherwise(
    decided: Decided,
    verdict: Verdict,
    in_time: bool,
    wanted: bool,
    outcome: SignOnOutcome,
    end: SignOnEnd,
) -> None:
    assert concluded(decided, verdict, in_time=in_time, wanted=wanted) == (outcome, end)
