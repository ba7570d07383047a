"""One explanation for every word, and the agent's side of it agrees."""

from pam_agent.explanations import ENROLMENTS, SIGN_ONS
from pam_agent.outcomes import SignOnEnd
from relay.explanations import REQUESTS
from relay.outcomes import RequestOutcome

AGENTS = {end.value: explained.relay for end, explained in SIGN_ONS.items()}


def test_no_word_is_missing() -> None:
    assert list(REQUESTS) == list(RequestOutcome)
    for explained in REQUESTS.values():
        assert explained.meaning
        assert explained.advice


def test_the_agents_words_are_the_agents() -> None:
    known = {end.value for end in SignOnEnd}
    for outcome, explained in REQUESTS.items():
        assert set(explained.agent) <= known, outcome
        assert len(set(explained.agent)) == len(explained.agent)


def test_both_say_the_same_of_every_pair_of_words() -> None:
    """The agent has a column with the relay's words, and the relay one with the agent's."""
    for outcome, explained in REQUESTS.items():
        says = {word for word, relay in AGENTS.items() if outcome.value in relay}
        assert says == set(explained.agent), outcome


def test_the_agent_knows_all_words_of_the_relay() -> None:
    words = {outcome.value for outcome in RequestOutcome}
    for explained in (*SIGN_ONS.values(), *ENROLMENTS.values()):
        assert set(explained.relay) <= words
