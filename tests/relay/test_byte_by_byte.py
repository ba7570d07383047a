"""Bytes mean the same whole, one by one, or cut anywhere: same outputs, same records, same ends."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.agent_auth import NO_KEY
from protocol.frames import encode_frame, encode_preface
from protocol.limits import MAX_TRANSACTION_FRAMES
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Hello,
    Ping,
    Pong,
    Reject,
)
from relay.records import Record
from tests.relay.pure_relay import H1, OTHER, SIGN_ON_ID, TAG, UID, PureRelay, asking_for, frames

Feed = Callable[[bytes], None]
Cut = Callable[[Feed, bytes], None]
Seen = tuple[list[Record], list[tuple[str, bytes]]]


def whole(feed: Feed, data: bytes) -> None:
    feed(data)


def byte_by_byte(feed: Feed, data: bytes) -> None:
    for byte in data:
        feed(bytes([byte]))


def cut_at(places: list[int]) -> Cut:
    def cut(feed: Feed, data: bytes) -> None:
        ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
        for start, end in pairwise(ends):
            feed(data[start:end])

    return cut


def from_an_agent(data: bytes, cut: Cut) -> Seen:
    """What comes of `data` on a new link, while two validators wait."""
    relay = PureRelay()
    waiting = [relay.validator(asking_for(tag), encode_frame(H1)) for tag in (TAG, OTHER)]
    link = relay.link(UID)
    cut(link.feed, data)
    ends = [(str(link.link.fate), bytes(link.link.out))]
    ends += [(str(each.end.fate), bytes(each.end.out)) for each in waiting]
    relay.wait(100)
    ends.append((str(link.link.fate), bytes(link.link.out)))
    return relay.records(), ends


def from_a_validator(data: bytes, cut: Cut) -> Seen:
    """What comes of `data` on a new connection, while a request waits."""
    relay = PureRelay()
    agent = relay.agent()
    agent.queue(TAG, ttl=30)
    validator = relay.validator()
    cut(validator.feed, data)
    ends = [(str(validator.end.fate), bytes(agent.link.out))]
    relay.wait(100)
    ends.append((str(validator.end.fate), bytes(agent.link.out)))
    return relay.records(), ends


HELLO: Final = encode_preface(7) + frames(Hello(NO_KEY, bytes(16)))
QUEUE: Final = frames(
    AuthRequest(1, SIGN_ON_ID, 60, (TAG,)), AuthRequest(2, SIGN_ON_ID, 0, (OTHER,))
)

AGENTS: Final[dict[str, bytes]] = {
    "a sign-on": HELLO
    + QUEUE
    + frames(Data(1, b"c" * 1552), Data(1, b"r"), Close(1, CloseReason.DONE)),
    "everything": HELLO
    + QUEUE
    + frames(
        Ping(),
        Reject(1),
        AuthRequest(3, SIGN_ON_ID, 60, (OTHER,)),
        Data(3, b"."),
        Pong(),
        Close(3, CloseReason.WITHDRAWN),
        Close(77, CloseReason.DONE),
        AuthRequest(3, SIGN_ON_ID, 5, (OTHER, TAG)),
    ),
    "too much": HELLO + QUEUE + frames(*[Data(1, bytes(2048))] * 9),
    "a bad preface": b"BTZM" + HELLO,
    "out of place": HELLO + HELLO + QUEUE,
    "an empty frame": HELLO + QUEUE + b"\0\0" + QUEUE,
    "no message": HELLO + QUEUE + encode_frame(b"\x91\x0f") + QUEUE,
    "half a message": HELLO + QUEUE[:-1],
}

VALIDATORS: Final[dict[str, bytes]] = {
    "a sign-on": asking_for(TAG) + encode_frame(H1) + encode_frame(bytes(256)) * 2,
    "unknown": asking_for(OTHER) + encode_frame(H1),
    "too much": asking_for(TAG) + encode_frame(b".") * (MAX_TRANSACTION_FRAMES + 5),
    "rubbish": bytes(range(256)),
    "wrong version": b"BTZN\0\7" + asking_for(TAG),
    "no message": encode_preface(7) + encode_frame(b"?"),
    "rubbish after the tag": asking_for(TAG) + encode_frame(H1) + b"\xff\xff" + bytes(50),
    "half a frame": asking_for(TAG) + encode_frame(H1)[:-1],
    "half a tag": asking_for(TAG)[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("name", AGENTS)
def test_an_agents_bytes_mean_the_same_one_by_one(name: str) -> None:
    assert from_an_agent(AGENTS[name], whole) == from_an_agent(AGENTS[name], byte_by_byte)


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_validators_bytes_mean_the_same_one_by_one(name: str) -> None:
    assert from_a_validator(VALIDATORS[name], whole) == from_a_validator(
        VALIDATORS[name], byte_by_byte
    )


@given(st.sampled_from(list(AGENTS.values())), st.lists(st.integers(0, 10_000), max_size=8))
def test_an_agents_bytes_mean_the_same_cut_anywhere(data: bytes, places: list[int]) -> None:
    assert from_an_agent(data, whole) == from_an_agent(data, cut_at(places))


@given(st.sampled_from(list(VALIDATORS.values())), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_validators_bytes_mean_the_same_cut_anywhere(data: bytes, places: list[int]) -> None:
    assert from_a_validator(data, whole) == from_a_validator(data, cut_at(places))


@given(st.binary(max_size=300), st.booleans(), st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_whatsoever_end_in_silence(data: bytes, behind: bool, places: list[int]) -> None:
    """No exception, nothing for the agent but what is whole, and never a byte back."""
    opening = asking_for(TAG) if behind else b""
    seen = from_a_validator(opening + data, whole)
    assert seen == from_a_validator(opening + data, cut_at(places))
    from_an_agent((HELLO if behind else b"") + data, cut_at(places))
