"""The agent's half of a link, joined with a relay's broker, and alone with one that lies."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pam_agent.link import MAX_UNSENT, AgentLink
from pam_agent.link_events import (
    Event,
    FrameCame,
    LinkLost,
    RelayRequest,
    WasClosed,
    WasPaired,
    WasQueued,
    WasRefused,
)
from protocol.agent_auth import AgentHandshake
from protocol.errors import ProtocolError
from protocol.frames import encode_frame
from protocol.limits import (
    LINK_SILENCE,
    MAX_LINK_FRAME,
    MAX_REJECTS,
    MAX_TRANSACTION_FRAMES,
    MAX_UNKNOWN_FRAME,
    PING_INTERVAL,
)
from protocol.messages import (
    Attached,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
)
from relay.limits import Limits
from tests.pam_agent.joined import SHARD, TAG, TAG_2, Joined, request, stream

PIECES = [1, 3, 1_000_000]
ANOTHER_KEY = X25519PrivateKey.from_private_bytes(b"\x33" * 32)


def joined(**settings: object) -> Joined:
    """An agent that is attached."""
    pair = Joined(**settings)  # type: ignore[arg-type]
    pair.connect()
    assert pair.agent.up
    return pair


def paired(pair: Joined, one: RelayRequest) -> WasPaired:
    """A queued request and a validator for it that has sent nothing yet."""
    pair.agent.submit(one, pair.now)
    assert pair.turn() == [WasQueued()]
    pair.validator()
    (event,) = pair.turn()
    assert isinstance(event, WasPaired)
    return event


# ---- with a relay --------------------------------------------------------------------------------


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("piece", PIECES)
def test_a_request_from_queue_to_done(by_key: bool, piece: int) -> None:
    pair = joined(by_key=by_key, piece=piece)
    one = request(TAG, TAG_2)
    pair.agent.submit(one, pair.now)
    assert pair.turn() == [WasQueued()]
    validator = pair.validator(TAG_2, b"H1")
    came = pair.turn()
    assert isinstance(came[0], WasPaired)
    pairing = came[0].pairing
    assert (pairing.tag_index, pairing.address) == (1, "192.0.2.7:4711")
    assert came[1:] == [FrameCame(pairing, b"H1")]
    pair.agent.send_frame(one, pairing, b"CONTEXT")
    pair.turn()
    assert bytes(validator.out) == encode_frame(b"CONTEXT")
    pair.agent.close(one, CloseReason.DONE)
    assert pair.turn() == []
    assert (len(pair.agent), len(pair.broker.requests)) == (0, 0)


def test_a_relay_with_another_key_is_refused() -> None:
    pair = Joined(by_key=True, relay_key=ANOTHER_KEY)
    with pytest.raises(ProtocolError, match="another relay"):
        pair.connect()
    assert not pair.agent.up


def test_an_agent_that_the_relay_does_not_know_learns_so() -> None:
    pair = Joined(by_key=True, own_key=ANOTHER_KEY)
    with pytest.raises(ProtocolError, match="does not know this agent"):
        pair.connect()
    assert not pair.agent.up


def test_a_rejected_validator_makes_room_for_the_next() -> None:
    pair = joined()
    one = request()
    first = paired(pair, one)
    pair.agent.reject(one, first.pairing)
    assert pair.turn() == []
    pair.validator(TAG, b"H1")
    second, frame = pair.turn()
    assert isinstance(second, WasPaired)
    assert frame == FrameCame(second.pairing, b"H1")
    assert second.pairing is not first.pairing


def test_what_is_meant_for_one_validator_reaches_no_other() -> None:
    pair = joined()
    one = request()
    first = paired(pair, one)
    pair.agent.reject(one, first.pairing)
    pair.turn()
    validator = pair.validator()
    pair.turn()
    pair.agent.send_frame(one, first.pairing, b"for the first")
    pair.agent.reject(one, first.pairing)
    pair.turn()
    assert not validator.out
    assert validator.transaction is not None


def test_frames_on_their_way_when_their_validator_is_rejected_break_nothing() -> None:
    pair = joined()
    one = request()
    first = paired(pair, one)
    assert pair.end is not None
    pair.end.out.put(stream(Data(0, b"sent before the relay heard of the rejection")))
    pair.agent.reject(one, first.pairing)
    assert pair.turn() == []
    pair.validator()
    assert len(pair.turn()) == 1


def test_an_end_on_its_way_to_a_request_that_was_closed_breaks_nothing() -> None:
    pair = joined()
    one = request()
    paired(pair, one)
    pair.agent.close(one, CloseReason.WITHDRAWN)
    assert pair.end is not None
    pair.end.out.put(stream(Data(0, b"frame"), Close(0, CloseReason.VALIDATOR_GONE)))
    assert pair.turn() == []
    assert pair.is_open()


@pytest.mark.parametrize(
    ("limits", "expires", "reason"),
    [
        (Limits(requests_per_agent=1), 1060.0, RefusedReason.QUOTA),
        (Limits(longest_ttl=59), 1060.0, RefusedReason.TTL),
        (Limits(requests=1), 1060.0, RefusedReason.OVERLOADED),
    ],
)
def test_refusals(limits: Limits, expires: float, reason: RefusedReason) -> None:
    pair = joined(limits=limits)
    pair.agent.submit(request(TAG, expires=1001.0), pair.now)
    pair.turn()
    one = request(TAG_2, expires=expires)
    pair.agent.submit(one, pair.now)
    assert pair.turn() == [WasRefused(reason)]
    assert len(pair.agent) == 1
    pair.agent.close(one, CloseReason.WITHDRAWN)
    assert pair.agent.out == b""


def test_another_agents_tag_is_refused() -> None:
    pair, other = joined(), joined(by_key=True)
    other.broker = pair.broker
    other.agent.disconnected()
    other.connect()
    pair.agent.submit(request(), pair.now)
    pair.turn()
    other.agent.submit(request(), other.now)
    assert other.turn() == [WasRefused(RefusedReason.DUPLICATE)]


def test_a_request_outlives_its_connection() -> None:
    pair = joined()
    one = request(TAG, TAG_2)
    paired(pair, one)
    pair.lose()
    assert pair.events == [(one, LinkLost())]
    pair.events.clear()
    pair.connect()
    assert one.queued
    pair.validator(TAG_2)
    (event,) = pair.turn()
    assert isinstance(event, WasPaired)
    assert event.pairing.tag_index == 1


def test_what_is_submitted_without_a_connection_is_queued_by_the_next() -> None:
    pair = Joined()
    one = request()
    pair.agent.submit(one, pair.now)
    assert pair.agent.out == b""
    pair.connect()
    assert one.queued


def test_a_reconnecting_agent_takes_the_place_of_its_old_link() -> None:
    pair = joined()
    one = request()
    paired(pair, one)
    pair.agent.disconnected()  # the relay has not noticed
    pair.connect()
    assert len(pair.broker.requests) == 1
    assert one.queued


def test_what_has_expired_is_not_queued_again() -> None:
    pair = joined()
    one = request(expires=pair.now + 5)
    pair.agent.submit(one, pair.now)
    pair.turn()
    pair.lose()
    pair.now += 5
    pair.connect()
    assert not one.queued
    assert len(pair.broker.requests) == 0
    pair.agent.close(one, CloseReason.WITHDRAWN)
    assert len(pair.agent) == 0


def test_a_draining_relay_gets_nothing_new_and_its_successor_everything() -> None:
    pair = joined()
    one, two, three = request(TAG), request(TAG_2), request(b"another tag.....")
    pair.agent.submit(one, pair.now)
    pair.turn()
    pair.broker.drain()
    pair.agent.submit(two, pair.now)  # before the agent has heard of it
    assert pair.turn() == []
    pair.agent.submit(three, pair.now)
    assert pair.agent.out == b""
    pair.broker = Joined().broker
    pair.agent.disconnected()
    pair.connect()
    assert [each.queued for each in (one, two, three)] == [True, True, True]


def test_pings_both_ways_and_an_end_after_long_silence() -> None:
    pair = joined()
    assert pair.agent.tick(pair.now) == pair.now + PING_INTERVAL
    pair.now += PING_INTERVAL
    assert pair.agent.tick(pair.now) == 1000.0 + LINK_SILENCE
    assert pair.agent.tick(pair.now + 1) == 1000.0 + LINK_SILENCE
    assert bytes(pair.agent.out) == stream(Ping())
    pair.turn()
    assert pair.agent.tick(pair.now) == pair.now + PING_INTERVAL
    assert pair.end is not None
    pair.end.out.put(stream(Ping()))
    pair.to_agent()
    assert bytes(pair.agent.out) == stream(Pong())
    with pytest.raises(ProtocolError, match="silent"):
        pair.agent.tick(pair.now + LINK_SILENCE)


def test_numbers_start_again_and_never_meet() -> None:
    pair = joined()
    one, two = request(TAG), request(TAG_2)
    pair.agent.submit(one, pair.now)
    pair.agent._next_number = 2**32 - 1
    pair.agent.submit(request(b"last number's tag"[:16]), pair.now)
    pair.agent.submit(two, pair.now)
    assert (one.number, two.number) == (0, 1)
    assert pair.turn() == [WasQueued()] * 3


def test_a_number_is_not_used_again_at_once() -> None:
    """What the relay still says of the old request must not be taken for the new one's."""
    pair = joined()
    one, two = request(), request()
    pair.agent.submit(one, pair.now)
    pair.agent.close(one, CloseReason.WITHDRAWN)
    pair.agent.submit(two, pair.now)
    assert pair.turn() == [WasQueued()]
    assert two.number == 1


def test_numbers_of_a_lost_connection_mean_nothing_on_the_next() -> None:
    pair = joined()
    one, two = request(TAG, expires=pair.now + 1), request(TAG_2)
    pair.agent.submit(one, pair.now)
    pair.agent.submit(two, pair.now)
    pair.turn()
    pair.agent._next_number = 5
    pair.lose()
    pair.now += 2  # so that one is not queued again
    pair.connect()
    pair.turn()
    assert pair.end is not None
    pair.end.out.put(stream(Data(0, b"frame"), Data(1, b"frame")))
    assert pair.turn() == []


def test_a_connection_after_a_long_time_is_not_silent() -> None:
    pair = joined()
    pair.lose()
    pair.now += 10 * LINK_SILENCE
    pair.connect()
    assert pair.agent.tick(pair.now) == pair.now + PING_INTERVAL


def test_half_a_frame_goes_with_its_connection() -> None:
    pair = joined()
    assert list(pair.agent.received(stream(Ping())[:-1], pair.now)) == []
    pair.lose()
    pair.connect()
    assert pair.agent.up


def test_a_relay_that_skips_its_proof() -> None:
    link = AgentLink(SHARD)
    link.connected(AgentHandshake(ANOTHER_KEY, bytes(32)), 1000.0)
    with pytest.raises(ProtocolError, match="Attached before Challenge"):
        list(link.received(stream(Attached(10, 600)), 1000.0))
    assert not link.up


def test_a_request_refused_by_a_draining_relay_can_be_closed() -> None:
    there = State("sent")
    assert there.say(Refused(0, RefusedReason.DRAINING)) == []
    there.link.out.clear()
    another = request(b"another tag.....")
    there.link.submit(another, 1000.0)
    there.link.close(there.one, CloseReason.WITHDRAWN)
    assert there.link.out == b""
    assert len(there.link) == 1


def test_drain_alone_stops_new_requests() -> None:
    there = State("idle")
    assert there.say(Drain()) == []
    there.link.out.clear()
    there.link.submit(request(TAG_2), 1000.0)
    assert there.link.out == b""


@pytest.mark.parametrize("last", [Refused(0, RefusedReason.QUOTA), Close(0, CloseReason.EXPIRED)])
def test_after_its_last_event_nothing_comes_of_a_request(last: Message) -> None:
    there = State("sent")
    assert len(there.say(last)) == 1
    assert len(there.link) == 0
    assert there.say(Queued(0), last, Data(0, b"frame")) == []
    assert there.link.disconnected() == []


# ---- with a relay that lies ----------------------------------------------------------------------


class State:
    """A link in one state, with its one request (number 0), and what a relay may say then."""

    def __init__(self, name: str) -> None:
        self.link = AgentLink(SHARD)
        self.one = request(TAG, TAG_2)
        if name == "before":
            return
        self.link.connected(AgentHandshake(None, None), 1000.0)
        if name == "set-up":
            return
        self.say(Attached(10, 600))
        if name == "idle":
            return
        self.link.submit(self.one, 1000.0)
        if name == "sent":
            return
        self.say(Queued(0))
        if name == "queued":
            return
        self.say(Paired(0, 0, "a:1"))
        if name == "paired":
            return
        assert self.one.pairing is not None
        self.link.reject(self.one, self.one.pairing)
        assert name == "rejected"

    def say(self, *said: Message) -> list[Event]:
        return [event for _, event in self.link.received(stream(*said), 1000.0)]


STATES = ["before", "set-up", "idle", "sent", "queued", "paired", "rejected"]
EVERYTHING: list[tuple[str, Message]] = [
    ("challenge", Challenge(bytes(16), bytes(16))),
    ("attached", Attached(10, 600)),
    ("queued", Queued(0)),
    *((f"refused {reason.name}", Refused(0, reason)) for reason in RefusedReason),
    ("paired", Paired(0, 1, "a:1")),
    ("paired with no tag", Paired(0, 2, "a:1")),
    ("data", Data(0, b"frame")),
    *((f"close {reason.name}", Close(0, reason)) for reason in CloseReason),
    ("ping", Ping()),
    ("pong", Pong()),
    ("drain", Drain()),
    ("of another request", Data(77, b"frame")),
]
ENDS = (CloseReason.EXPIRED, CloseReason.STALLED, CloseReason.LIMIT, CloseReason.VALIDATOR_GONE)
REQUESTS = ("sent", "queued", "paired", "rejected")


def said(state: str, what: str, message: Message) -> object:
    """What the table of SPEC says: an event's type, None for nothing, or the error."""
    if state == "before":
        return ProtocolError
    if state == "set-up":
        return None if what == "attached" else ProtocolError
    if what in ("ping", "pong", "drain", "of another request"):
        return None
    if what in ("challenge", "attached"):
        return ProtocolError
    if state == "idle":
        return None  # a request that was withdrawn
    if isinstance(message, Close):
        return WasClosed if message.reason in ENDS else ProtocolError
    return {
        ("sent", "queued"): WasQueued,
        ("sent", f"refused {RefusedReason.DRAINING.name}"): None,
        **{
            ("sent", f"refused {reason.name}"): WasRefused
            for reason in RefusedReason
            if reason is not RefusedReason.DRAINING
        },
        ("queued", "paired"): WasPaired,
        ("rejected", "paired"): WasPaired,
        ("paired", "data"): FrameCame,
        ("rejected", "data"): None,
    }.get((state, what), ProtocolError)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("what", "message"), EVERYTHING, ids=[what for what, _ in EVERYTHING])
def test_every_message_in_every_state(state: str, what: str, message: Message) -> None:
    expected = said(state, what, message)
    there = State(state)
    if expected is ProtocolError:
        with pytest.raises(ProtocolError):
            there.say(message)
    else:
        events = there.say(message)
        assert [type(event) for event in events] == ([] if expected is None else [expected])
    assert [event for _, event in there.link.disconnected()] == [LinkLost()] * len(there.link)
    assert there.one.number is None
    assert there.one.pairing is None


def test_more_frames_than_a_transaction_has() -> None:
    there = State("paired")
    assert len(there.say(*[Data(0, b"frame")] * MAX_TRANSACTION_FRAMES)) == MAX_TRANSACTION_FRAMES
    with pytest.raises(ProtocolError, match="more frames"):
        there.say(Data(0, b"frame"))


def test_more_validators_than_a_request_may_see() -> None:
    there = State("queued")
    for _ in range(MAX_REJECTS + 1):
        (event,) = there.say(Paired(0, 0, "a:1"))
        assert isinstance(event, WasPaired)
        there.link.reject(there.one, event.pairing)
    with pytest.raises(ProtocolError, match="more validators"):
        there.say(Paired(0, 0, "a:1"))


def test_a_relay_that_talks_and_does_not_read() -> None:
    agent = joined().agent
    ping = stream(Ping())
    with pytest.raises(ProtocolError, match="does not read"):
        list(agent.received(ping * (MAX_UNSENT // len(ping) + 1), 1000.0))
    assert len(agent.out) == MAX_UNSENT + len(ping)


def test_what_came_before_the_error_counts() -> None:
    there = State("sent")
    events = there.link.received(stream(Queued(0), Close(0, CloseReason.EXPIRED)) + b"\0\0", 1.0)
    assert next(events) == (there.one, WasQueued())
    assert next(events) == (there.one, WasClosed(CloseReason.EXPIRED))
    with pytest.raises(ProtocolError):
        next(events)


def test_frames_are_short_until_the_relay_is_known() -> None:
    too_long = (MAX_UNKNOWN_FRAME + 1).to_bytes(2, "big")
    with pytest.raises(ProtocolError, match="length"):
        list(State("set-up").link.received(too_long, 1000.0))
    assert list(State("idle").link.received(too_long, 1000.0)) == []
    with pytest.raises(ProtocolError, match="length"):
        list(State("idle").link.received((MAX_LINK_FRAME + 1).to_bytes(2, "big"), 1000.0))


def outcome(state: str, pieces: list[bytes]) -> list[object]:
    """All events, or those before the error and the error."""
    there = State(state)
    told: list[object] = []
    try:
        for piece in pieces:
            for _, event in there.link.received(piece, 1000.0):
                told.append(type(event))
    except ProtocolError:
        told.append(ProtocolError)
    return told


def check_whole_and_byte_by_byte(state: str, data: bytes) -> None:
    single = [data[i : i + 1] for i in range(len(data))]
    assert outcome(state, [data]) == outcome(state, single)


@given(st.sampled_from(STATES), st.binary(max_size=600))
def test_any_bytes(state: str, data: bytes) -> None:
    check_whole_and_byte_by_byte(state, data)


@given(st.sampled_from(STATES), st.lists(st.binary(min_size=1, max_size=60), max_size=8))
def test_any_frames(state: str, bodies: list[bytes]) -> None:
    check_whole_and_byte_by_byte(state, b"".join(encode_frame(body) for body in bodies))


@given(
    st.sampled_from(STATES),
    st.lists(st.sampled_from([message for _, message in EVERYTHING]), max_size=30),
)
def test_any_messages(state: str, messages: list[Message]) -> None:
    check_whole_and_byte_by_byte(state, stream(*messages))
