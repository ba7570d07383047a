"""Agents' links: who gets in, what may be said when, and how long silence lasts."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages
from protocol.agent_auth import NO_KEY, AgentHandshake, public_bytes
from protocol.errors import ProtocolError
from protocol.frames import encode_frame, encode_preface
from protocol.limits import MAX_LINK_FRAME, MAX_UNKNOWN_FRAME
from protocol.messages import (
    Attach,
    Attached,
    AuthRequest,
    AuthValidate,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Hello,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from relay.ends import Fate, LinkState
from relay.outcomes import LinkOutcome
from relay.peers import Peer
from relay.records import LinkEnded, LinkUp
from tests.relay.pure_relay import KEY, SIGN_ON_ID, TAG, UID, AgentEnd, PureRelay, frames

AGENT_KEY = X25519PrivateKey.from_private_bytes(b"a" * 32)
RELAY_PUBLIC = public_bytes(KEY)
KNOWN = {public_bytes(AGENT_KEY): "web1"}


def outcome(link: AgentEnd) -> LinkOutcome | None:
    outcomes = [r.outcome for r in link.relay.records() if isinstance(r, LinkEnded)]
    assert len(outcomes) <= 1
    return outcomes[0] if outcomes else None


# ---- by key --------------------------------------------------------------------------------------


def test_a_known_key_that_is_proved_attaches_under_its_name() -> None:
    relay = PureRelay(agents=KNOWN, requests_per_agent=77, longest_ttl=99)
    link = relay.link(None)
    handshake = AgentHandshake(AGENT_KEY, RELAY_PUBLIC)
    link.feed(encode_preface(7) + frames(handshake.hello()))
    [challenge] = link.received()
    assert isinstance(challenge, Challenge)
    assert relay.records() == []
    link.send(handshake.challenged(challenge))
    assert link.received() == [Attached(77, 99)]
    assert relay.records() == [LinkUp("192.0.2.0/24", "web1")]
    assert link.link.agent == "web1"


def test_an_unknown_key_is_challenged_like_any_other_and_then_refused() -> None:
    relay = PureRelay(agents=KNOWN)
    link = relay.link(None)
    stranger = AgentHandshake(X25519PrivateKey.generate(), RELAY_PUBLIC)
    link.feed(encode_preface(7) + frames(stranger.hello()))
    [challenge] = link.received()
    assert isinstance(challenge, Challenge)
    with pytest.raises(ProtocolError):
        stranger.challenged(challenge)
    link.send(Attach(bytes(16)))
    assert link.received() == []
    assert outcome(link) is LinkOutcome.REFUSED


def test_a_key_that_is_no_key_is_malformed() -> None:
    link = PureRelay(agents=KNOWN).link(None)
    link.feed(encode_preface(7) + frames(Hello(NO_KEY, bytes(16))))
    assert outcome(link) is LinkOutcome.MALFORMED


def test_a_proof_is_not_needed_twice_and_does_not_count_twice() -> None:
    relay = PureRelay(agents=KNOWN)
    link = relay.link(None)
    handshake = AgentHandshake(AGENT_KEY, RELAY_PUBLIC)
    link.feed(encode_preface(7) + frames(handshake.hello()))
    [challenge] = link.received()
    assert isinstance(challenge, Challenge)
    proof = handshake.challenged(challenge)
    link.send(proof)
    link.send(proof)
    assert outcome(link) is LinkOutcome.MALFORMED


# ---- by peer credentials -------------------------------------------------------------------------


def test_a_trusted_uid_attaches_at_its_hello() -> None:
    relay = PureRelay()
    link = relay.link(UID)
    link.feed(encode_preface(7) + frames(Hello(NO_KEY, bytes(16))))
    assert isinstance(link.received()[0], Attached)
    assert relay.records() == [LinkUp("uid:1000", "uid:1000")]


def test_another_uid_is_refused_before_it_has_said_anything() -> None:
    relay = PureRelay()
    link = relay.link(4242)
    assert link.link.fate is Fate.RESET
    link.feed(encode_preface(7) + frames(Hello(NO_KEY, bytes(16))))
    assert link.received() == []
    assert relay.records() == [LinkEnded(LinkOutcome.REFUSED, "uid:4242", "", 0.0, 0)]
    assert len(relay.broker.links) == 0


def test_uid_0_is_no_exception_where_it_is_not_named() -> None:
    assert outcome(PureRelay().link(0)) is LinkOutcome.REFUSED


# ---- the set-up, every message in every state ----------------------------------------------------

EVERY: Final[tuple[Message, ...]] = (
    Hello(public_bytes(AGENT_KEY), bytes(16)),
    Challenge(bytes(16), bytes(16)),
    Attach(bytes(16)),
    Attached(1, 1),
    AuthRequest(1, SIGN_ON_ID, 60, (TAG,)),
    Queued(1),
    Refused(1, RefusedReason.QUOTA),
    Paired(1, 0, "192.0.2.1:1"),
    Data(1, b"."),
    Reject(1),
    Close(1, CloseReason.DONE),
    Ping(),
    Pong(),
    Drain(),
    AuthValidate(TAG),
)


def in_hello_by_uid() -> AgentEnd:
    link = PureRelay().link()
    link.feed(encode_preface(7))
    return link


def in_hello_by_key() -> AgentEnd:
    link = PureRelay(agents=KNOWN).link(None)
    link.feed(encode_preface(7))
    return link


def in_attach() -> AgentEnd:
    link = in_hello_by_key()
    link.send(AgentHandshake(AGENT_KEY, RELAY_PUBLIC).hello())
    assert link.link.state is LinkState.ATTACH
    return link


def up() -> AgentEnd:
    return PureRelay().agent()


EXPECTED: Final[dict[Callable[[], AgentEnd], dict[type[Message], LinkOutcome | None]]] = {
    in_hello_by_uid: {Hello: None},
    in_hello_by_key: {Hello: None},
    in_attach: {Attach: LinkOutcome.REFUSED},
    # Data, Reject and Close of a request that has just ended here are no error of the agent's.
    up: {AuthRequest: None, Data: None, Reject: None, Close: None, Ping: None, Pong: None},
}


def test_every_message_there_is_is_tried() -> None:
    assert {type(message) for message in EVERY} == set(messages.Message.__args__)


@pytest.mark.parametrize("state", EXPECTED, ids=lambda state: state.__name__)
@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_every_message_in_every_state(state: Callable[[], AgentEnd], message: Message) -> None:
    link = state()
    link.send(message)
    assert outcome(link) == EXPECTED[state].get(type(message), LinkOutcome.MALFORMED)


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_a_link_that_has_ended_is_deaf(message: Message) -> None:
    link = up()
    link.leave()
    link.relay.records()
    link.send(message)
    assert link.received() == []
    assert link.relay.records() == []


@pytest.mark.parametrize("message", [Data(1, b"."), Reject(1)], ids=["Data", "Reject"])
def test_what_only_a_paired_request_has_is_an_error_for_one_that_waits(message: Message) -> None:
    link = up()
    link.queue(TAG)
    link.send(message)
    assert outcome(link) is LinkOutcome.MALFORMED


@pytest.mark.parametrize("reason", set(CloseReason) - {CloseReason.DONE, CloseReason.WITHDRAWN})
def test_a_relays_reason_is_an_error_from_an_agent_even_for_no_request(reason: CloseReason) -> None:
    link = up()
    link.send(Close(1, reason))
    assert outcome(link) is LinkOutcome.MALFORMED


def test_a_wrong_preface_is_malformed() -> None:
    link = PureRelay().link()
    link.feed(b"BTZN\x02\x07")
    assert outcome(link) is LinkOutcome.MALFORMED


def test_long_frames_are_for_attached_links_only() -> None:
    link = in_hello_by_uid()
    link.feed((MAX_UNKNOWN_FRAME + 1).to_bytes(2, "big"))
    assert outcome(link) is LinkOutcome.MALFORMED
    attached = up()
    attached.feed(MAX_LINK_FRAME.to_bytes(2, "big"))
    assert attached.up
    attached.feed(b"?" * MAX_LINK_FRAME)
    assert outcome(attached) is LinkOutcome.MALFORMED


def test_messages_behind_one_that_ends_the_link_are_not_heard() -> None:
    link = up()
    link.feed(encode_frame(b"?") + frames(AuthRequest(1, SIGN_ON_ID, 60, (TAG,))))
    assert link.received() == []
    assert len(link.relay.broker.requests) == 0


def test_nor_are_those_behind_a_proof_that_is_wrong() -> None:
    link = in_attach()
    link.received()
    link.send(Attach(bytes(16)), Ping())
    assert link.received() == []
    assert outcome(link) is LinkOutcome.REFUSED


# ---- upkeep --------------------------------------------------------------------------------------


def test_an_idle_link_is_pinged_every_20_seconds_and_pongs_keep_it() -> None:
    link = up()
    for _ in range(10):
        link.relay.wait(20.02)
        assert link.received() == [Ping()]
        link.send(Pong())
    assert link.up


def test_a_link_that_is_heard_is_not_pinged() -> None:
    link = up()
    for _ in range(10):
        link.relay.wait(19.9)
        link.send(Ping())
        assert link.received() == [Pong()]


def test_one_word_in_a_minute_keeps_a_link() -> None:
    link = up()
    for _ in range(5):
        link.relay.wait(59.9)
        assert link.received() == [Ping(), Ping()]
        link.send(Pong())
    link.relay.wait(60.1)
    assert outcome(link) is LinkOutcome.SILENT


def test_strangers_cannot_keep_an_agent_out() -> None:
    """A full table of links that were never attached gives way to one that attaches at once."""
    relay = PureRelay(links=3)
    agent = relay.agent()
    strangers = [relay.link(None) for _ in range(50)]
    again = relay.agent(UID + 1)
    assert agent.up
    assert again.up
    assert [stranger.link.fate for stranger in strangers[:-1]] == [Fate.RESET] * 49
    assert strangers[-1].link.fate is Fate.OPEN
    assert len(relay.broker.links) == 3


def test_agents_that_are_attached_do_not_give_way() -> None:
    relay = PureRelay(links=2)
    agents = [relay.agent(), relay.agent(UID + 1)]
    late = relay.link()
    assert outcome(late) is LinkOutcome.OVERLOADED
    assert all(agent.up for agent in agents)


def test_a_link_that_attaches_while_the_relay_drains_is_told() -> None:
    relay = PureRelay()
    waiting = relay.link()
    agent = relay.agent()
    relay.broker.drain()
    assert agent.received() == [Drain()]
    assert waiting.received() == []
    waiting.feed(encode_preface(7) + frames(Hello(NO_KEY, bytes(16))))
    assert [type(message) for message in waiting.received()] == [Attached, Drain]


def test_unblocked_is_nothing_to_a_link() -> None:
    link = up()
    link.relay.broker.unblocked(link.link)
    assert link.up


# ---- who is let in -------------------------------------------------------------------------------

BURST: Final = 50
PRICES: Final[dict[str, Any]] = {
    "silent_price": 2,
    "malformed_price": 5,
    "source_rate": 1e-6,
    "source_burst": BURST,
}


def let_in(relay: PureRelay) -> int:
    """How many more of the same address are."""
    count = 0
    peer = Peer(bytes((192, 0, 2, 1)), 998)
    while relay.broker.link_opened(peer, frozenset(), relay.now) is not None:
        count += 1
    return count


def never_speaks(relay: PureRelay) -> None:
    relay.link(None)
    relay.wait(6)


def leaves_at_once(relay: PureRelay) -> None:
    relay.link(None).leave()


def speaks_another_language(relay: PureRelay) -> None:
    relay.link(None).feed(b"GET / HTTP/1.1\r\n")


def has_no_key(relay: PureRelay) -> None:
    hello = AgentHandshake(AGENT_KEY, RELAY_PUBLIC).hello()
    relay.link(None).feed(encode_preface(7) + frames(hello, Attach(bytes(16))))


def is_one_too_many(relay: PureRelay) -> None:
    relay.link(None)
    relay.link()


@pytest.mark.parametrize(
    ("happens", "cost"),
    [
        (never_speaks, 2),
        (leaves_at_once, 2),
        (speaks_another_language, 5),
        (has_no_key, 5),
        (is_one_too_many, 1),
    ],
)
def test_a_link_that_never_was_one_costs_its_source(
    happens: Callable[[PureRelay], None], cost: int
) -> None:
    relay = PureRelay(links=1, **PRICES)
    happens(relay)
    relay.wait(10)
    assert let_in(relay) == BURST - cost


def test_an_attached_link_costs_nothing_and_neither_does_any_by_unix() -> None:
    relay = PureRelay(agents=KNOWN, unanswered_per_source=1, **PRICES)
    for _ in range(BURST + 1):
        link = relay.link(None)
        handshake = AgentHandshake(AGENT_KEY, RELAY_PUBLIC)
        link.feed(encode_preface(7) + frames(handshake.hello()))
        [challenge] = link.received()
        assert isinstance(challenge, Challenge)
        link.send(handshake.challenged(challenge))
        assert link.up
        link.leave()
        relay.link().feed(b"no agent's")
    relay.link(None)
    assert let_in(relay) == 0


def test_what_validators_do_keeps_no_agent_out() -> None:
    relay = PureRelay(source_burst=1, agents=KNOWN)
    relay.source = bytes((192, 0, 2, 1))
    relay.validator()
    assert relay.validator_or_none() is None
    assert relay.link(None).link.fate is Fate.OPEN


def test_who_is_refused_is_recorded() -> None:
    relay = PureRelay(source_burst=1)
    relay.link(None)
    for _ in range(3):
        assert let_in(relay) == 0
    [record] = relay.records()
    assert record == LinkEnded(LinkOutcome.SOURCE_REFUSED, "192.0.2.0/24", "", 0.0, 0)
