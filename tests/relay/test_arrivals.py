"""Behind a proxy: who counts, who is refused, and what a bad header comes to."""

from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import encode_preface
from protocol.messages import Attach, Challenge, Data, Hello, Paired
from relay.outcomes import LinkOutcome, ValidatorOutcome
from relay.peers import Peer
from relay.proxies import parse_network
from relay.proxy_header import MAX_HEADER
from relay.records import LinkEnded, LinkUp, RequestEnded, ValidatorEnded
from tests.relay.plain_proxy import PROXY, TCP4, UDP4, UNSPEC, header, local, raw, tlv
from tests.relay.pure_relay import H1, KEY, TAG, AgentEnd, PureRelay, asking_for, frames

USER: Final = "203.0.113.9"
AGENT: Final = X25519PrivateKey.from_private_bytes(b"a" * 32)
HELLO: Final = AgentHandshake(AGENT, public_bytes(KEY)).hello()


def behind(**limits: Any) -> PureRelay:
    """A relay whose TCP listeners are behind the proxies from which all here come."""
    relay = PureRelay(agents={public_bytes(AGENT): "web1"}, **limits)
    relay.proxies = (parse_network("198.51.100.0/24"), parse_network("192.0.2.1"))
    return relay


def ended(relay: PureRelay) -> list[tuple[object, str, str]]:
    """Outcome, source and level of each end."""
    kinds = (ValidatorEnded, LinkEnded)
    return [(r.outcome, r.source, r.level) for r in relay.records() if isinstance(r, kinds)]


# ---- validators ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at_a_time", [1, 7, 28, 30, 1000])
@pytest.mark.parametrize("source", [USER, "2001:db8::9"])
def test_the_agent_and_the_log_see_whom_the_proxy_speaks_for(at_a_time: int, source: str) -> None:
    relay = behind()
    agent = relay.agent()
    agent.queue(TAG)
    validator = relay.validator()
    data = header(source, 5000, tlv(4, b"...")) + asking_for(TAG)
    for start in range(0, len(data), at_a_time):
        assert validator.end.transaction is None
        validator.feed(data[start : start + at_a_time])
    shown = f"[{source}]" if ":" in source else source
    assert agent.received() == [Paired(1, 0, f"{shown}:5000")]
    validator.leave()
    [record] = relay.records()
    assert isinstance(record, RequestEnded)
    assert record.source == ("2001:db8::/48" if ":" in source else "203.0.113.0/24")


def test_an_ipv4_user_is_the_same_in_ipv6s_form() -> None:
    relay = behind()
    relay.agent().queue(TAG)
    validator = relay.validator(header(f"::ffff:{USER}", 5000) + asking_for(TAG))
    assert validator.end.peer.text == f"{USER}:5000"


def test_header_request_and_first_frame_in_one_segment() -> None:
    relay = behind()
    agent = relay.agent()
    agent.queue(TAG)
    relay.validator(header(USER, 1), asking_for(TAG), len(H1).to_bytes(2, "big") + H1)
    assert agent.received() == [Paired(1, 0, f"{USER}:1"), Data(1, H1)]


BAD: Final = {
    "no header": asking_for(TAG),
    "version 1": b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 4817\r\n" + asking_for(TAG),
    "UDP": raw(PROXY, UDP4, bytes(12)) + asking_for(TAG),
    "no address": raw(PROXY, UNSPEC, b"") + asking_for(TAG),
    "no room": raw(PROXY, TCP4, bytes(11)) + asking_for(TAG),
    "too long": header(USER, 1, bytes(MAX_HEADER)) + asking_for(TAG),
    "two headers": header(USER, 1) + header(USER, 1) + asking_for(TAG),
    "rubbish behind it": header(USER, 1) + b"rubbish",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_header_is_no_good_like_any_other_opening(name: str) -> None:
    relay = behind()
    relay.agent().queue(TAG)
    validator = relay.validator(BAD[name])
    assert validator.is_held_until_its_moment()
    [(outcome, _, level)] = ended(relay)
    assert (outcome, level) == (ValidatorOutcome.MALFORMED, "info")


@pytest.mark.parametrize("data", [b"", header(USER, 1)[:-1], header(USER, 1), local()])
def test_a_slow_header_has_the_time_of_any_opening(data: bytes) -> None:
    relay = behind(hold=3)
    validator = relay.validator()
    for byte in data:
        relay.wait(0.01)
        validator.feed(bytes([byte]))
    relay.wait(2.99 - 0.01 * len(data))
    assert validator.open
    relay.wait(0.02)
    assert validator.reset
    [(outcome, _, level)] = ended(relay)
    assert (outcome, level) == (ValidatorOutcome.SILENT, "info")


def test_limits_count_whom_the_proxy_speaks_for_and_never_the_proxy() -> None:
    relay = behind(source_burst=2, unanswered_per_source=2)
    for _ in range(9):
        assert relay.validator().open
    two = [relay.validator(header(USER, n)) for n in range(2)]
    assert all(each.open for each in two)
    third = relay.validator(header(USER, 3), asking_for(TAG))
    assert third.reset, "at once"
    assert ended(relay) == [(ValidatorOutcome.REFUSED, "203.0.113.0/24", "info")]
    assert relay.validator(header("203.0.113.10", 1)).open


def test_who_came_to_nothing_pays_behind_a_proxy_too() -> None:
    for data, price in ((b"", 3), (asking_for(TAG), 2), (b"rubbish", 10)):
        relay = behind(source_burst=30, source_rate=0.001)
        for n in range(50):
            validator = relay.validator(header(USER, n), data)
            if validator.reset:
                break
            validator.leave()
        else:
            n = 0
        assert n == pytest.approx(30 / price, abs=1)


def test_who_was_answered_owes_nothing() -> None:
    relay = behind(source_burst=1, source_rate=0.001)
    agent = relay.agent()
    for number in range(3):
        agent.queue(TAG, number=number)
        validator = relay.validator(header(USER, number), asking_for(TAG))
        assert validator.open
        agent.send(Data(number, b"context"))
        validator.leave()


def test_bad_headers_and_silence_are_not_counted_against_the_proxy() -> None:
    relay = behind(source_burst=1, network_burst=1, source_rate=0.001, network_rate=0.001)
    for data in (b"rubbish", header(USER, 1)[:-1], b""):
        relay.validator(data)
        relay.wait(6)
    assert relay.validator(local() + asking_for(TAG)).open


# ---- health checks -------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", local(), local(tlv(4, b"..."))])
def test_a_health_check_is_told_to_who_looks_for_it_and_costs_nothing(data: bytes) -> None:
    relay = behind(source_burst=1, network_burst=1, source_rate=0.001, network_rate=0.001)
    for _ in range(20):
        validator = relay.validator(data)
        relay.wait(0.1)
        validator.leave()
        assert validator.reset
    assert ended(relay) == [(ValidatorOutcome.CHECKED, "198.51.100.0/24", "debug")] * 20


@pytest.mark.parametrize("data", [header(USER, 1), header(USER, 1)[:9], local() + b"B"])
def test_who_leaves_after_more_than_a_look_has_left(data: bytes) -> None:
    relay = behind()
    relay.validator(data).leave()
    [(outcome, _, level)] = ended(relay)
    assert (outcome, level) == (ValidatorOutcome.LEFT, "info")


@pytest.mark.parametrize("apart", [False, True])
def test_a_proxy_that_asks_for_itself_is_counted(apart: bool) -> None:
    relay = behind(source_burst=1)
    agent = relay.agent()
    agent.queue(TAG)
    validator = relay.validator(*([] if apart else [local() + asking_for(TAG)]))
    for byte in local() + asking_for(TAG) if apart else b"":
        validator.feed(bytes([byte]))
    assert agent.received() == [Paired(1, 0, "198.51.100.7:1")]
    assert relay.validator(local()).open
    assert relay.validator(local() + b"B").reset
    assert ended(relay) == [(ValidatorOutcome.REFUSED, "198.51.100.0/24", "info")]


# ---- who is not listed ---------------------------------------------------------------------------


def test_who_is_not_listed_is_refused_and_not_counted() -> None:
    relay = behind(source_burst=1)
    relay.source = bytes((198, 51, 101, 7))
    for _ in range(3):
        assert relay.validator_or_none() is None
        assert ended(relay) == [(ValidatorOutcome.NOT_LISTED, "198.51.101.0/24", "info")]
        relay.wait(10)


def test_without_proxies_a_header_is_rubbish() -> None:
    relay = PureRelay()
    validator = relay.validator(header(USER, 1) + asking_for(TAG))
    assert validator.is_held_until_its_moment()
    assert ended(relay) == [(ValidatorOutcome.MALFORMED, "198.51.100.0/24", "info")]


# ---- agents --------------------------------------------------------------------------------------


def attach(link: AgentEnd, *, at_a_time: int = 1000) -> None:
    handshake = AgentHandshake(AGENT, public_bytes(KEY))
    data = header(USER, 5000) + encode_preface(7) + frames(handshake.hello())
    for start in range(0, len(data), at_a_time):
        link.feed(data[start : start + at_a_time])
    [challenge] = link.received()
    assert isinstance(challenge, Challenge)
    link.send(handshake.challenged(challenge))


@pytest.mark.parametrize("at_a_time", [1, 28, 30, 1000])
def test_an_agent_attaches_through_a_proxy(at_a_time: int) -> None:
    relay = behind()
    link = relay.link(None)
    attach(link, at_a_time=at_a_time)
    assert link.up
    [record] = relay.records()
    assert isinstance(record, LinkUp)
    assert (record.source, record.agent) == ("203.0.113.0/24", "web1")
    link.leave()
    assert ended(relay) == [(LinkOutcome.CLOSED, "203.0.113.0/24", "info")]


def test_an_attached_agent_owes_nothing_and_others_pay() -> None:
    relay = behind(source_burst=2, source_rate=0.001)
    for _ in range(3):
        attach(relay.link(None))
    assert len(relay.broker.links) == 3
    relay.records()
    for _ in range(2):
        relay.link(None).feed(header(USER, 1) + b"rubbish")
    assert ended(relay) == [
        (LinkOutcome.MALFORMED, "203.0.113.0/24", "info"),
        (LinkOutcome.SOURCE_REFUSED, "203.0.113.0/24", "info"),
    ]


@pytest.mark.parametrize("name", ["no header", "version 1", "UDP", "too long"])
def test_a_bad_header_ends_a_link(name: str) -> None:
    relay = behind()
    relay.link(None).feed(BAD[name])
    assert ended(relay) == [(LinkOutcome.MALFORMED, "192.0.2.0/24", "info")]


def test_a_slow_header_ends_a_link() -> None:
    relay = behind()
    relay.link(None).feed(header(USER, 1)[:-1])
    relay.wait(6)
    assert ended(relay) == [(LinkOutcome.SLOW_SETUP, "192.0.2.0/24", "info")]


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", LinkOutcome.CHECKED),
        (local(), LinkOutcome.CHECKED),
        (local() + b"B", LinkOutcome.CLOSED),
        (header(USER, 1), LinkOutcome.CLOSED),
        (header(USER, 1)[:9], LinkOutcome.CLOSED),
    ],
)
def test_a_health_check_of_an_agents_listener(data: bytes, outcome: LinkOutcome) -> None:
    relay = behind()
    link = relay.link(None)
    if data:
        link.feed(data)
    link.leave()
    [(word, _, level)] = ended(relay)
    assert (word, level) == (outcome, "debug" if outcome is LinkOutcome.CHECKED else "info")


@pytest.mark.parametrize("at_a_time", [1, 1000])
def test_a_proxy_may_look_for_a_challenge_as_often_as_it_likes(at_a_time: int) -> None:
    relay = behind(source_burst=2, network_burst=2, source_rate=0.001, network_rate=0.001)
    data = local() + encode_preface(0) + frames(Hello(b"\x09" + bytes(31), bytes(16)))
    for _ in range(20):
        link = relay.link(None)
        for start in range(0, len(data), at_a_time):
            link.feed(data[start : start + at_a_time])
        [challenge] = link.received()
        assert isinstance(challenge, Challenge)
        link.leave()
    assert ended(relay) == [(LinkOutcome.CHECKED, "192.0.2.0/24", "debug")] * 20


@pytest.mark.parametrize("of_proxy", [False, True])
def test_who_is_challenged_for_somebody_else_or_proves_no_key_has_not_only_looked(
    of_proxy: bool,
) -> None:
    relay = behind(source_burst=100, source_rate=0.001)
    opening = (local() if of_proxy else header(USER, 1)) + encode_preface(0) + frames(HELLO)

    let_in = 0
    for _ in range(50):
        link = relay.link(None)
        link.feed(opening)
        if not link.received():
            break
        let_in += 1
        if of_proxy:
            link.send(Attach(bytes(16)))
        else:
            link.leave()
    words = {word for word, _, _ in ended(relay)}
    expected = LinkOutcome.REFUSED if of_proxy else LinkOutcome.CLOSED
    assert words == {expected, LinkOutcome.SOURCE_REFUSED}
    assert let_in == pytest.approx(100 / (10 if of_proxy else 3), abs=1)


def test_an_agent_that_comes_past_the_proxy_is_refused_and_not_counted() -> None:
    relay = behind(source_burst=1)
    for _ in range(3):
        assert relay.link_or_none(Peer(bytes((192, 0, 2, 2)), 1)) is None
    assert ended(relay)[0] == (LinkOutcome.NOT_LISTED, "192.0.2.0/24", "info")


def test_an_agent_by_unix_socket_has_no_proxy() -> None:
    assert behind().agent().up


def test_an_agents_listener_without_proxies_takes_no_header() -> None:
    relay = PureRelay()
    relay.link(None).feed(header(USER, 1) + encode_preface(7) + frames(HELLO))
    assert ended(relay) == [(LinkOutcome.MALFORMED, "192.0.2.0/24", "info")]
