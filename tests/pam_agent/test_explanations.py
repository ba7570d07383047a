"""Every word is explained; that the relay really says one of its words is in test_ends.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from daemons import message_ids as common
from pam_agent.enrolment_events import EnrolmentFailure
from pam_agent.event_explanations import EVENTS
from pam_agent.explanations import CANCELLED, ENROLLED, ENROLMENTS, SIGN_ONS, Explanation
from pam_agent.message_ids import MESSAGE_IDS
from pam_agent.outcomes import SignOnEnd
from relay.outcomes import RequestOutcome

ROOT = Path(__file__).parents[2]
EVERY = [*SIGN_ONS.items(), *ENROLMENTS.items()]


def test_every_word_is_explained() -> None:
    assert set(SIGN_ONS) == set(SignOnEnd)
    assert set(ENROLMENTS) == {ENROLLED, CANCELLED, *EnrolmentFailure}


@pytest.mark.parametrize(("word", "explained"), EVERY, ids=[str(word) for word, _ in EVERY])
def test_an_explanation_is_one_line_with_the_relays_own_words(
    word: str, explained: Explanation
) -> None:
    for text in (explained.meaning, explained.advice):
        assert text
        assert text.isprintable()
        assert not text.endswith(".")
        assert "|" not in text, "it is a cell of a table"
    assert set(explained.relay) <= {each.value for each in RequestOutcome}


def test_every_line_of_the_log_is_explained() -> None:
    of_relays = {"descriptors still kept", "no descriptors kept"}
    assert set(EVENTS) == {*MESSAGE_IDS, *common.MESSAGE_IDS} - of_relays
    for text in (part for explained in EVENTS.values() for part in explained):
        assert text.isprintable()
        assert not text.endswith(".")
        assert "|" not in text, "it is a cell of a table"


def test_the_page_is_what_the_code_says() -> None:
    program = [sys.executable, "docs/outcomes.py", "--check"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
