"""Every outcome word is reached, and what everybody sees of such an end.

A word that exists and that no scenario here reaches fails: it is promised and nobody has seen it.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

import pytest

from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import encode_frame, encode_preface
from protocol.limits import LINK_SILENCE, MAX_REJECTS, MAX_TRANSACTION_FRAMES
from protocol.messages import (
    Attach,
    Attached,
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Drain,
    Paired,
    Ping,
    Pong,
    Queued,
    Reject,
)
from protocol.sign_on_id import display
from relay.ends import Fate
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.peers import Peer
from relay.proxies import parse_network
from relay.records import LinkEnded, RequestEnded, ValidatorEnded
from tests.relay.pure_relay import (
    H1,
    KEY,
    SIGN_ON_ID,
    TAG,
    AgentEnd,
    PureRelay,
    ValidatorEnd,
    asking_for,
    frames,
)

Outcome = RequestOutcome | ValidatorOutcome | LinkOutcome
Ended = RequestEnded | ValidatorEnded | LinkEnded
Scenario = Callable[[], list[Ended]]

SCENARIOS: Final[dict[Outcome, Scenario]] = {}


def reaches(outcome: Outcome) -> Callable[[Scenario], Scenario]:
    def register(scenario: Scenario) -> Scenario:
        assert outcome not in SCENARIOS
        SCENARIOS[outcome] = scenario
        return scenario

    return register


@pytest.mark.parametrize("outcome", [*RequestOutcome, *ValidatorOutcome, *LinkOutcome])
def test_every_outcome_word_is_reached_and_recorded_once(outcome: Outcome) -> None:
    records = SCENARIOS[outcome]()
    assert [record.outcome for record in records].count(outcome) == 1


@pytest.mark.parametrize("words", [RequestOutcome, ValidatorOutcome, LinkOutcome])
def test_words_are_lower_case_and_the_names_they_have_in_code(words: type[Enum]) -> None:
    for word in words:
        assert word.value == word.name.lower().replace("_", "-")


def ended(relay: PureRelay) -> list[Ended]:
    kinds = (RequestEnded, ValidatorEnded, LinkEnded)
    return [record for record in relay.records() if isinstance(record, kinds)]


# ---- requests ------------------------------------------------------------------------------------


def paired(*, answered: bool = False) -> tuple[PureRelay, AgentEnd, ValidatorEnd]:
    """A transaction that runs, 2 s after its request was queued and 1 s after its first byte."""
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    relay.wait(1)
    validator = relay.validator(asking_for(TAG), encode_frame(H1))
    assert agent.received() == [Paired(1, 0, "198.51.100.7:1"), Data(1, H1)]
    if answered:
        agent.send(Data(1, b"context"))
        assert validator.received() == [b"context"]
    relay.wait(1)
    return relay, agent, validator


@reaches(RequestOutcome.DONE)
def done() -> list[Ended]:
    relay, agent, validator = paired()
    agent.send(Data(1, b"receipt"), Close(1, CloseReason.DONE))
    assert validator.end.fate is Fate.CLOSE
    assert validator.received() == [b"receipt"]
    assert agent.received() == []
    records = ended(relay)
    assert records == [
        RequestEnded(
            RequestOutcome.DONE,
            "uid:1000",
            display(SIGN_ON_ID),
            "198.51.100.0/24",
            1.0,
            1.0,
            1,
            1,
            0,
        )
    ]
    return records


@reaches(RequestOutcome.WITHDRAWN)
def withdrawn() -> list[Ended]:
    relay, agent, validator = paired()
    agent.send(Close(1, CloseReason.WITHDRAWN))
    assert agent.received() == []
    records = ended(relay)
    assert validator.is_held_until_its_moment()
    assert ended(relay) == []  # the request's record says all
    return records


@reaches(RequestOutcome.EXPIRED)
def expired() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG, ttl=5)
    relay.wait(4.9)
    assert agent.received() == []
    relay.wait(0.2)
    assert agent.received() == [Close(1, CloseReason.EXPIRED)]
    [record] = ended(relay)
    assert isinstance(record, RequestEnded)
    assert (record.source, record.ran, record.frames_in, record.frames_out) == ("", 0.0, 0, 0)
    assert record.waited == pytest.approx(5.0, abs=0.1)
    return [record]


@reaches(RequestOutcome.REPLACED)
def replaced() -> list[Ended]:
    relay, agent, validator = paired()
    again = relay.agent()
    again.send(AuthRequest(9, SIGN_ON_ID, 60, (TAG,)))
    assert again.received() == [Queued(9)]
    assert agent.received() == []
    assert agent.up
    [record] = [record for record in relay.broker.records if isinstance(record, RequestEnded)]
    assert validator.is_held_until_its_moment()
    return [record]


@reaches(RequestOutcome.REJECTED_TOO_OFTEN)
def rejected_too_often() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    for _ in range(MAX_REJECTS):
        relay.validator(asking_for(TAG))
        agent.send(Reject(1))
    assert all(isinstance(message, Paired) for message in agent.received())
    relay.validator(asking_for(TAG))
    agent.send(Reject(1))
    assert agent.received()[1:] == [Close(1, CloseReason.LIMIT)]
    [record] = [record for record in ended(relay) if isinstance(record, RequestEnded)]
    assert record.rejects == MAX_REJECTS + 1
    return [record]


@reaches(RequestOutcome.STALLED)
def stalled() -> list[Ended]:
    relay, agent, validator = paired(answered=True)
    relay.wait(50)
    agent.send(Pong())
    relay.wait(38.9)
    assert validator.open
    relay.wait(0.2)
    assert Close(1, CloseReason.STALLED) in agent.received()
    assert validator.reset
    return ended(relay)


@reaches(RequestOutcome.LIFETIME)
def lifetime() -> list[Ended]:
    relay, agent, validator = paired(answered=True)
    for _ in range(6):
        relay.wait(54)
        agent.send(Data(1, b"."))
        assert validator.received() == [b"."]
    relay.wait(4.9)
    assert validator.open
    relay.wait(0.2)
    assert Close(1, CloseReason.LIMIT) in agent.received()
    assert validator.reset
    return ended(relay)


@reaches(RequestOutcome.FRAMES)
def too_many_frames() -> list[Ended]:
    relay, agent, validator = paired()
    validator.feed(encode_frame(b".") * (MAX_TRANSACTION_FRAMES - 1))
    assert agent.received() == [Data(1, b".")] * (MAX_TRANSACTION_FRAMES - 1)
    validator.feed(encode_frame(b"."))
    assert agent.received() == [Close(1, CloseReason.LIMIT)]
    records = ended(relay)
    assert validator.is_held_until_its_moment()
    return records


@reaches(RequestOutcome.MALFORMED)
def malformed_in_transaction() -> list[Ended]:
    relay, agent, validator = paired()
    validator.feed(encode_frame(b"whole") + b"\0\0")
    assert agent.received() == [Data(1, b"whole"), Close(1, CloseReason.VALIDATOR_GONE)]
    assert agent.up
    records = ended(relay)
    assert validator.is_held_until_its_moment()
    return records


@reaches(RequestOutcome.NOT_READING)
def not_reading() -> list[Ended]:
    relay, agent, validator = paired(answered=True)
    agent.send(Data(1, b"too much"))
    relay.broker.blocked(validator.end, relay.now)
    relay.wait(5)
    relay.broker.blocked(validator.end, relay.now)  # still; the first time counts
    relay.wait(4.9)
    assert validator.open
    relay.wait(0.2)
    assert agent.received() == [Close(1, CloseReason.STALLED)]
    assert validator.reset
    return ended(relay)


@reaches(RequestOutcome.VALIDATOR_GONE)
def validator_gone() -> list[Ended]:
    relay, agent, validator = paired(answered=True)
    validator.leave()
    assert agent.received() == [Close(1, CloseReason.VALIDATOR_GONE)]
    assert validator.reset
    return ended(relay)


@reaches(RequestOutcome.AGENT_GONE)
def agent_gone() -> list[Ended]:
    relay, agent, validator = paired()
    agent.queue(b"a tag that waits", number=2)
    agent.leave()
    waiting, link = sorted(ended(relay)[-2:], key=lambda record: isinstance(record, LinkEnded))
    assert waiting.outcome is RequestOutcome.AGENT_GONE
    assert isinstance(link, LinkEnded)
    assert (link.outcome, link.agent, link.requests) == (LinkOutcome.CLOSED, "uid:1000", 2)
    assert validator.is_held_until_its_moment()
    return [waiting]


@reaches(RequestOutcome.DRAINED)
def drained() -> list[Ended]:
    relay, _agent, validator = paired()
    relay.broker.stop(relay.now)
    assert validator.reset
    return ended(relay)[:1]


# ---- validators ----------------------------------------------------------------------------------


def held(validator: ValidatorEnd) -> list[Ended]:
    """It must be told nothing until its moment; the one record comes with the reset."""
    relay = validator.relay
    assert ended(relay) == []
    assert validator.is_held_until_its_moment()
    [record] = ended(relay)
    assert isinstance(record, ValidatorEnded)
    assert record.source == "198.51.100.0/24"
    assert record.lasted == pytest.approx(5.0, abs=0.02)
    return [record]


@reaches(ValidatorOutcome.UNMATCHED)
def unmatched() -> list[Ended]:
    return held(PureRelay().validator(asking_for(TAG)))


@reaches(ValidatorOutcome.MALFORMED)
def malformed() -> list[Ended]:
    return held(PureRelay().validator(b"GET / HTTP/1.1\r\n\r\n"))


@reaches(ValidatorOutcome.SILENT)
def silent() -> list[Ended]:
    relay = PureRelay()
    validator = relay.validator(asking_for(TAG)[:-1])
    relay.wait(4.999)
    assert validator.open
    assert validator.end.reading
    relay.wait(0.012)
    assert validator.reset
    assert validator.received() == []
    return ended(relay)


@reaches(ValidatorOutcome.REJECTED)
def rejected() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG)
    validator = relay.validator(asking_for(TAG))
    relay.wait(1)
    agent.send(Reject(1))
    return held(validator)


@reaches(ValidatorOutcome.OVERLOADED)
def overloaded_transactions() -> list[Ended]:
    relay = PureRelay(transactions=1)
    agent = relay.agent()
    agent.queue(TAG)
    agent.queue(b"a tag that waits", number=2)
    relay.validator(asking_for(TAG))
    assert isinstance(agent.received()[0], Paired)
    validator = relay.validator(asking_for(b"a tag that waits"))
    assert agent.received() == []
    return held(validator)


@reaches(ValidatorOutcome.EVICTED)
def evicted() -> list[Ended]:
    relay = PureRelay(incomplete=2)
    oldest, second, third = relay.validator(), relay.validator(), relay.validator()
    assert oldest.reset
    assert second.open
    assert third.open
    return ended(relay)


@reaches(ValidatorOutcome.REFUSED)
def refused_validator() -> list[Ended]:
    relay = PureRelay(source_burst=1)
    assert relay.validator().open
    assert relay.validator_or_none() is None
    return ended(relay)


@reaches(ValidatorOutcome.NOT_LISTED)
def unlisted_validator() -> list[Ended]:
    relay = PureRelay()
    relay.proxies = (parse_network("198.51.100.8"),)
    assert relay.validator_or_none() is None
    return ended(relay)


@reaches(ValidatorOutcome.CHECKED)
def health_check_of_validators() -> list[Ended]:
    relay = PureRelay()
    relay.proxies = (parse_network("198.51.100.7"),)
    validator = relay.validator()
    validator.leave()
    assert validator.reset
    return ended(relay)


@reaches(ValidatorOutcome.LEFT)
def left() -> list[Ended]:
    relay = PureRelay()
    validator = relay.validator(asking_for(TAG))
    relay.wait(1)
    validator.leave()
    assert validator.reset
    records = ended(relay)
    validator.leave()
    assert ended(relay) == []
    return records


@reaches(ValidatorOutcome.DRAINED)
def drained_validator() -> list[Ended]:
    relay = PureRelay()
    validator = relay.validator(asking_for(TAG))
    relay.broker.stop(relay.now)
    assert validator.reset
    return ended(relay)


# ---- links ---------------------------------------------------------------------------------------


@reaches(LinkOutcome.CLOSED)
def closed() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    relay.wait(3)
    agent.leave()
    assert agent.link.fate is Fate.RESET
    records = ended(relay)
    assert records == [LinkEnded(LinkOutcome.CLOSED, "uid:1000", "uid:1000", 3.0, 0)]
    agent.leave()
    assert ended(relay) == []
    return records


@reaches(LinkOutcome.SILENT)
def silent_link() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    relay.wait(LINK_SILENCE - 0.01)
    assert agent.up
    assert agent.received() == [Ping(), Ping()]
    relay.wait(0.02)
    assert not agent.up
    return ended(relay)


@reaches(LinkOutcome.SLOW_SETUP)
def slow_setup() -> list[Ended]:
    relay = PureRelay(agents={public_bytes(KEY): "web1"})
    link = relay.link(None)
    link.feed(encode_preface(7) + frames(AgentHandshake(KEY, public_bytes(KEY)).hello()))
    relay.wait(4.999)
    assert link.link.fate is Fate.OPEN
    relay.wait(0.012)
    [record] = ended(relay)
    assert isinstance(record, LinkEnded)
    assert record.agent == ""  # it named web1's key, and proved nothing
    return [record]


@reaches(LinkOutcome.REFUSED)
def refused() -> list[Ended]:
    relay = PureRelay(agents={public_bytes(KEY): "web1"})
    link = relay.link(None)
    hello = AgentHandshake(KEY, public_bytes(KEY)).hello()
    link.feed(encode_preface(7) + frames(hello, Attach(bytes(16))))
    assert link.link.fate is Fate.RESET
    [record] = ended(relay)
    assert isinstance(record, LinkEnded)
    assert (record.agent, record.source) == ("", "192.0.2.0/24")
    return [record]


@reaches(LinkOutcome.MALFORMED)
def malformed_link() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    agent.feed(b"\0\0")
    assert agent.link.fate is Fate.RESET
    return ended(relay)


@reaches(LinkOutcome.SOURCE_REFUSED)
def refused_source() -> list[Ended]:
    relay = PureRelay(source_burst=1)
    relay.link(None)
    peer = Peer(bytes((192, 0, 2, 1)), 998)
    assert relay.broker.link_opened(peer, frozenset(), relay.now) is None
    return ended(relay)


@reaches(LinkOutcome.NOT_LISTED)
def unlisted_agent() -> list[Ended]:
    relay = PureRelay()
    relay.proxies = (parse_network("192.0.2.2"),)
    assert relay.link_or_none(Peer(bytes((192, 0, 2, 1)), 999)) is None
    return ended(relay)


@reaches(LinkOutcome.CHECKED)
def health_check_of_links() -> list[Ended]:
    relay = PureRelay()
    relay.proxies = (parse_network("192.0.2.1"),)
    relay.link(None).leave()
    return ended(relay)


@reaches(LinkOutcome.OVERFLOW)
def overflow() -> list[Ended]:
    relay = PureRelay(link_buffer=100)
    agent = relay.agent()
    agent.send(*[Ping()] * 25)
    assert len(agent.link.out) == 100
    relay.broker.blocked(agent.link, relay.now)
    assert agent.up
    agent.send(Ping())
    assert agent.up  # a burst is no overflow while the socket takes it
    relay.broker.blocked(agent.link, relay.now)
    assert agent.link.fate is Fate.RESET
    return ended(relay)


@reaches(LinkOutcome.OVERLOADED)
def overloaded_links() -> list[Ended]:
    relay = PureRelay(links=1)
    agent = relay.agent()
    link = relay.link()
    assert agent.up
    assert link.link.fate is Fate.RESET
    return ended(relay)


@reaches(LinkOutcome.DRAINED)
def drained_link() -> list[Ended]:
    relay = PureRelay()
    agent = relay.agent()
    relay.broker.drain()
    relay.broker.stop(relay.now)
    assert agent.received() == [Drain()]
    assert agent.link.fate is Fate.CLOSE
    return ended(relay)


def test_attached_is_what_makes_these_links_links() -> None:
    """The scenarios above rest on it: a link that is not attached queues nothing."""
    relay = PureRelay()
    link = relay.link()
    link.send(AuthRequest(1, SIGN_ON_ID, 60, (TAG,)))
    assert not any(isinstance(message, Attached | Queued) for message in link.received())
    assert len(relay.broker.requests) == 0
