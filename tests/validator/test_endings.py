import pytest

from validator.endings import Ending, ending_lines
from validator.enrolment_endings import (
    _NO_OFFER,
    all_offers_lines,
    enrolment_ending_lines,
    no_offer_lines,
)
from validator.layout import Line, Tone
from validator.outcomes import EXIT_CODES, ExitCode, Outcome


def text(lines: list[Line]) -> str:
    return " ".join(line.text for line in lines)


def ending(outcome: Outcome, **more: object) -> Ending:
    return Ending(outcome, "web1", "alice", **more)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("lines_of", [ending_lines, enrolment_ending_lines])
def test_every_outcome_has_its_text(outcome: Outcome, lines_of):
    lines = lines_of(ending(outcome), 79)
    assert all(len(line.text) <= 79 for line in lines)
    success = EXIT_CODES[outcome] is ExitCode.SIGNED_ON
    assert (lines[0].tone is Tone.GOOD) == success
    others = [o for o in Outcome if o is not outcome]
    if lines_of is ending_lines:
        assert all(text(ending_lines(ending(o), 79)) != text(lines) for o in others)


@pytest.mark.parametrize("outcome", Outcome)
def test_only_success_says_signed_on(outcome: Outcome):
    said = text(ending_lines(ending(outcome), 79))
    assert said.startswith("Signed on") == (outcome is Outcome.SIGNED_ON)
    enrolled = text(enrolment_ending_lines(ending(outcome), 79))
    assert enrolled.startswith("Enrolled") == (outcome is Outcome.SIGNED_ON)


def test_a_fake_screen_is_named_and_is_not_an_unreachable_relay():
    fake = text(ending_lines(ending(Outcome.NO_SUCH_SIGN_ON), 200))
    assert (
        "No such sign-on at web1: if a screen showed you this code, that screen may be fake" in fake
    )
    unreachable = text(ending_lines(ending(Outcome.UNREACHABLE), 200))
    assert "No relay of web1 could be reached" in unreachable
    assert "fake" not in unreachable


def test_a_wrong_pin_and_a_fake_screen_are_named_together():
    said = text(ending_lines(ending(Outcome.NO_SUCH_SIGN_ON, under_pin=True), 200))
    assert said.startswith("No such sign-on at web1, or the PIN was wrong")
    for words in ("may be fake", "10 in a row disable this device", "number 5 on", "30 s"):
        assert words in said


def test_a_disabled_device_is_told_what_happened_and_what_to_do():
    said = text(ending_lines(ending(Outcome.DISABLED), 79))
    for word in ("copy", "restored", "administrator", "bartizan enroll", "nobody was let in"):
        assert word in said


def test_what_is_known_beside_the_outcome():
    said = text(
        ending_lines(
            ending(
                Outcome.NO_SUCH_SIGN_ON,
                said="come back\x1b[2J tomorrow",
                unreachable=("relay2:4817",),
                cut_at_once=True,
                not_stored="disk full",
            ),
            79,
        )
    )
    assert "web1 says: come back[2J tomorrow" in said
    assert "Not reached: relay2:4817." in said
    assert "cut the connection at once" in said
    assert "could not be stored: disk full" in said


@pytest.mark.parametrize("outcome", list(_NO_OFFER))
def test_no_offer(outcome: Outcome):
    assert text(no_offer_lines(ending(outcome), 79)).startswith("Not enrolled: ")


def test_the_end_of_several_enrolments():
    assert all_offers_lines(3, [], 79) == [Line("Enrolled at all 3 hosts.", Tone.GOOD)]
    lines = all_offers_lines(3, ["web2", "d\x1bb"], 200)
    assert text(lines).startswith("Enrolled at 1 of 3 hosts. Not at: web2, db. Codes that")
    assert lines[0].tone is Tone.WARNING
