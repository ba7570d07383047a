"""Figures read off a broker, pure as it is."""

import pytest

from relay import standing
from relay.outcomes import LinkOutcome, ValidatorOutcome
from relay.standing import AgentFigures, Figures, Sources, agent_figures, figures, strangers_ended
from relay.tally import Tally
from tests.relay.pure_relay import OTHER, TAG, UID, PureRelay, asking_for


def test_figures() -> None:
    relay = PureRelay()
    agent = relay.agent()
    relay.link()
    agent.queue(TAG, number=1)
    agent.queue(OTHER, number=2)
    relay.validator(asking_for(TAG))
    relay.validator(asking_for(b"nobody's tag...."))
    relay.validator()
    relay.validator()
    assert figures(relay.broker) == Figures(1, 1, 1, 2, 1, 1)
    found = [agent_figures(link) for link in relay.broker.links]
    assert found == [AgentFigures(f"uid:{UID}", f"uid:{UID}", 1000.0, 1, 1), None]


def test_every_word_is_there_from_the_start() -> None:
    ended = strangers_ended(Tally(), PureRelay().broker)
    assert ended.validators == {outcome.value: 0 for outcome in ValidatorOutcome}
    assert ended.links == {outcome.value: 0 for outcome in LinkOutcome}
    assert ended.no_descriptor == 0


def test_the_counts_of_a_flood_are_exact_at_every_moment() -> None:
    relay, tally = PureRelay(), Tally()
    for number in range(1, 8):
        relay.validator().leave()
        relay.link(None).leave()
        relay.broker.starved(5, relay.now)
        tally.note(relay.records(), relay.now)
        ended = strangers_ended(tally, relay.broker)
        assert ended.validators["left"] == number
        assert ended.links["closed"] == number
        assert ended.no_descriptor == number
    relay.wait(25.0)
    tally.note(relay.records(), relay.now)
    ended = strangers_ended(tally, relay.broker)
    assert (ended.validators["left"], ended.links["closed"], ended.no_descriptor) == (7, 7, 7)


def test_sources_under_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PORTION", 2)
    relay = PureRelay(source_burst=5, network_burst=18, unanswered_per_source=100)
    for host in (1, 2, 3):
        relay.source = bytes((203, 0, 113, host))
        while relay.validator_or_none() is not None:
            pass
    relay.source = bytes((198, 51, 100, 7))
    relay.validator()
    relay.source = bytes.fromhex("20010db8000100020000000000000001")
    while relay.validator_or_none() is not None:
        pass
    sources = Sources(relay.broker)
    portions = len(list(sources.count(relay.now)))
    assert sources.refused == 4
    assert sources.by_network == {"203.0.113.0/24": 3, "2001:db8:1::/48": 1}
    assert sources.networks == 0
    assert portions == 3, "five sources and three networks, two at a time"
    relay.source = bytes((203, 0, 113, 4))
    while relay.validator_or_none() is not None:
        pass
    sources = Sources(relay.broker)
    list(sources.count(relay.now))
    assert sources.networks == 1


def test_penalties_end() -> None:
    relay = PureRelay(source_burst=5, longest_refusal=60.0, source_rate=1.0)
    while (end := relay.validator_or_none()) is not None:
        end.leave()
    sources = Sources(relay.broker)
    list(sources.count(relay.now))
    assert sources.refused == 1
    relay.wait(61.0)
    sources = Sources(relay.broker)
    list(sources.count(relay.now))
    assert (sources.refused, sources.networks) == (0, 0)


def test_a_crowd() -> None:
    relay = PureRelay(crowd_burst=3, crowd_rate=1.0)
    admission = relay.broker.door.admission
    assert not admission.is_crowded(relay.now)
    for host in range(3):
        relay.source = bytes((198, 51, 100, host))
        relay.validator()
    assert admission.is_crowded(relay.now)
    relay.wait(3.0)
    assert not admission.is_crowded(relay.now)
