"""pure. What one process of the relay leaves to the next: its broker's ends, as bytes.

A socket is known by its number, which stays what it is (the inode's) wherever its descriptor goes.
Moments are CLOCK_MONOTONIC's, which goes on while no relay runs: a request has as much life left as
it would have had.

Not in it are links that are not attached, whose agents try again, and what sources of strangers
owe, which a restart forgives. Must not know what a descriptor is.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from relay.admission import UNCOUNTED
from relay.broker import Broker
from relay.ends import Arrival, Link, Request, Transaction, Validator, ValidatorState
from relay.outcomes import ValidatorOutcome
from relay.peers import Peer

VERSION: Final = 1
"""One more with each change of what follows: nothing is read that was written otherwise."""

_MAGIC: Final = b"BTZR" + VERSION.to_bytes(2, "big")
_DIGEST: Final = 32


class HandoverError(Exception):
    """These bytes are none of this version, or damaged; the message says which."""


class _Struct(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Fields are those of ends.py, by the same names. `socket` is its number."""


class _Peer(_Struct):
    packed: bytes
    port: int


class _Request(_Struct):
    number: int
    sign_on_id: bytes
    tags: tuple[bytes, ...]
    queued_at: float
    expires: float
    rejects: int


class _Link(_Struct):
    socket: int
    peer: _Peer | int
    agent: str
    key: bytes
    opened: float
    heard: float
    deadline: float
    unread: bytes
    out: bytes
    requests: tuple[_Request, ...]


class _Transaction(_Struct):
    link: int
    """Its place among the links, from 0."""
    request: int
    """Its number on that link."""
    started: float
    active: float
    frames_in: int
    bytes_in: int
    frames_out: int
    bytes_out: int


class _Validator(_Struct):
    socket: int
    peer: _Peer
    arrival: Arrival
    opened: float
    release: float
    deadline: float
    blocked_since: float | None
    state: ValidatorState
    outcome: ValidatorOutcome | None
    tag: bytes
    answered: bool
    unread: bytes
    out: bytes
    transaction: _Transaction | None


class _State(_Struct):
    links: tuple[_Link, ...]
    validators: tuple[_Validator, ...]
    lately: dict[str, float]
    """What each agent has queued of late."""


def save(
    broker: Broker, sockets: Mapping[Link | Validator, int], now: float, shift: float
) -> bytes:
    """All ends of `broker`, each of which has a socket. `shift` is CLOCK_MONOTONIC's lead over the
    broker's clock."""
    links = tuple(broker.links)
    place = {link: number for number, link in enumerate(links)}
    running = [
        request.transaction.validator
        for link in links
        for request in link.requests.values()
        if request.transaction is not None
    ]
    state = _State(
        tuple(_saved_link(link, sockets[link], shift) for link in links),
        tuple(
            _saved_validator(each, sockets[each], place, shift) for each in (*broker.door, *running)
        ),
        broker.requests.lately(now),
    )
    body = msgspec.msgpack.encode(state)
    return _MAGIC + hashlib.sha256(body).digest() + body


def _saved_link(link: Link, socket: int, shift: float) -> _Link:
    return _Link(
        socket,
        link.peer if isinstance(link.peer, int) else _saved_peer(link.peer),
        link.agent,
        link.key,
        link.opened + shift,
        link.heard + shift,
        link.deadline + shift,
        link.reader.unread,
        bytes(link.out),
        tuple(
            _Request(
                request.number,
                request.sign_on_id,
                request.tags,
                request.queued_at + shift,
                request.expires + shift,
                request.rejects,
            )
            for request in link.requests.values()
        ),
    )


def _saved_validator(
    end: Validator, socket: int, place: Mapping[Link, int], shift: float
) -> _Validator:
    transaction = end.transaction
    return _Validator(
        socket,
        _saved_peer(end.peer),
        end.arrival,
        end.opened + shift,
        end.release + shift,
        end.deadline + shift,
        None if end.blocked_since is None else end.blocked_since + shift,
        end.state,
        end.outcome,
        end.tag,
        end.answered,
        end.reader.unread,
        bytes(end.out),
        None
        if transaction is None
        else _Transaction(
            place[transaction.request.link],
            transaction.request.number,
            transaction.started + shift,
            transaction.active + shift,
            transaction.frames_in,
            transaction.bytes_in,
            transaction.frames_out,
            transaction.bytes_out,
        ),
    )


def _saved_peer(peer: Peer) -> _Peer:
    return _Peer(peer.packed, peer.port)


def restore(broker: Broker, data: bytes, now: float, shift: float) -> dict[Link | Validator, int]:
    """Give a new broker what was saved; each end, and the number of its socket. `shift` is
    CLOCK_MONOTONIC's lead over this broker's clock. Raises HandoverError, and nothing is changed.
    """
    state = _read(data)
    sockets: dict[Link | Validator, int] = {}
    links = []
    for saved in state.links:
        link = _link(saved, shift)
        links.append(link)
        sockets[link] = saved.socket
        broker.restore(link)
        for each in saved.requests:
            queued, expires = each.queued_at - shift, each.expires - shift
            request = Request(link, each.number, each.sign_on_id, each.tags, queued, expires)
            request.rejects = each.rejects
            broker.requests.enter(request)
    for one in state.validators:
        validator = _validator(one, shift)
        sockets[validator] = one.socket
        if one.transaction is not None:
            request = links[one.transaction.link].requests[one.transaction.request]
            broker.transactions.restore(_transaction(one.transaction, request, validator, shift))
        broker.restore(validator)
    broker.requests.restore_lately(state.lately, now)
    return sockets


def _read(data: bytes) -> _State:
    if not data.startswith(_MAGIC):
        raise HandoverError(f"another version than {VERSION}")
    digest, body = data[len(_MAGIC) :][:_DIGEST], data[len(_MAGIC) + _DIGEST :]
    if hashlib.sha256(body).digest() != digest:
        raise HandoverError("damaged")
    return msgspec.msgpack.decode(body, type=_State)


def _link(saved: _Link, shift: float) -> Link:
    peer = saved.peer if isinstance(saved.peer, int) else Peer(saved.peer.packed, saved.peer.port)
    link = Link(peer, Arrival.KNOWN, UNCOUNTED, saved.opened - shift)
    link.heard = saved.heard - shift
    link.deadline = saved.deadline - shift
    link.key = saved.key
    link.claimed = saved.agent if saved.key else ""
    link.attached(saved.agent)
    link.reader.feed(saved.unread)
    link.out.put(saved.out)
    return link


def _validator(saved: _Validator, shift: float) -> Validator:
    peer = Peer(saved.peer.packed, saved.peer.port)
    opened, release = saved.opened - shift, saved.release - shift
    validator = Validator(peer, saved.arrival, UNCOUNTED, opened, release)
    validator.deadline = saved.deadline - shift
    if saved.blocked_since is not None:
        validator.blocked_since = saved.blocked_since - shift
    validator.state = saved.state
    validator.outcome = saved.outcome
    validator.tag = saved.tag
    validator.answered = saved.answered
    validator.reader.feed(saved.unread)
    validator.out.put(saved.out)
    return validator


def _transaction(
    saved: _Transaction, request: Request, validator: Validator, shift: float
) -> Transaction:
    transaction = Transaction(request, validator, saved.started - shift)
    transaction.active = saved.active - shift
    transaction.frames_in, transaction.bytes_in = saved.frames_in, saved.bytes_in
    transaction.frames_out, transaction.bytes_out = saved.frames_out, saved.bytes_out
    return transaction
