"""pure. The messages between an agent, a relay and a validator (SPEC section 2.4).

Must not know what a frame inside Data means: the relay imports this module, and the relay is blind.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeVar

from protocol import canonical
from protocol.errors import ProtocolError
from protocol.limits import (
    KEY_LENGTH,
    MAC_LENGTH,
    MAX_ADDRESS_TEXT,
    MAX_FRAME,
    MAX_TAGS,
    NONCE_LENGTH,
    SIGN_ON_ID_LENGTH,
    TAG_LENGTH,
)


class RefusedReason(IntEnum):
    """Why a relay does not queue a request."""

    QUOTA = 1
    TTL = 2
    DUPLICATE = 3
    DRAINING = 4
    OVERLOADED = 5


class CloseReason(IntEnum):
    """Why a request or its transaction ended: two reasons of agents, then those of relays."""

    WITHDRAWN = 1
    DONE = 2
    EXPIRED = 3
    STALLED = 4
    LIMIT = 5
    VALIDATOR_GONE = 6


class Hello(NamedTuple):
    """Agent to relay: the first frame of a link."""

    link_key: bytes
    nonce: bytes


class Challenge(NamedTuple):
    """Relay to agent."""

    nonce: bytes
    mac: bytes


class Attach(NamedTuple):
    """Agent to relay."""

    mac: bytes


class Attached(NamedTuple):
    """Relay to agent: the link is up. `longest_ttl` in seconds."""

    most_waiting: int
    longest_ttl: int


class AuthRequest(NamedTuple):
    """Agent to relay: queue this. `request` is the agent's number on its link, `ttl` in seconds."""

    request: int
    sign_on_id: bytes
    ttl: int
    tags: tuple[bytes, ...]


class Queued(NamedTuple):
    """Relay to agent: now, and not before, the passcode may be shown."""

    request: int


class Refused(NamedTuple):
    """Relay to agent."""

    request: int
    reason: RefusedReason


class Paired(NamedTuple):
    """Relay to agent: a validator brought the tag at `tag_index`; `address` as the relay saw it."""

    request: int
    tag_index: int
    address: str


class Data(NamedTuple):
    """Both ways: one whole frame of the transaction."""

    request: int
    frame: bytes


class Reject(NamedTuple):
    """Agent to relay: this validator was no good; put the request back in the queue."""

    request: int


class Close(NamedTuple):
    """Both ways: the request and its transaction are over."""

    request: int
    reason: CloseReason


class Ping(NamedTuple):
    """Both ways."""


class Pong(NamedTuple):
    """Both ways: the answer to Ping."""


class Drain(NamedTuple):
    """Relay to agent: no new requests here, please."""


class AuthValidate(NamedTuple):
    """Validator to relay: the first frame of its connection."""

    tag: bytes


Message = (
    Hello
    | Challenge
    | Attach
    | Attached
    | AuthRequest
    | Queued
    | Refused
    | Paired
    | Data
    | Reject
    | Close
    | Ping
    | Pong
    | Drain
    | AuthValidate
)

_Check = Callable[[object], Any]


def _uint(maximum: int) -> _Check:
    def check(value: object) -> int:
        if type(value) is not int or not 0 <= value <= maximum:
            raise ProtocolError("field is not an integer within its bounds")
        return value

    return check


def _binary(least: int, most: int) -> _Check:
    def check(value: object) -> bytes:
        if type(value) is not bytes or not least <= len(value) <= most:
            raise ProtocolError("field is not a byte string within its bounds")
        return value

    return check


def _address(value: object) -> str:
    return canonical.checked_text(value, MAX_ADDRESS_TEXT, "address")


def _tags(value: object) -> tuple[bytes, ...]:
    if type(value) is not tuple or not 1 <= len(value) <= MAX_TAGS:
        raise ProtocolError("field is not an array of 1 to 8 tags")
    if len(set(value)) != len(value):
        raise ProtocolError("a tag occurs twice in one request")
    for tag in value:
        _tag(tag)
    return value


_E = TypeVar("_E", bound=IntEnum)


def _reason(reasons: type[_E]) -> _Check:
    def check(value: object) -> _E:
        if type(value) is not int:
            raise ProtocolError("reason is not an integer")
        try:
            return reasons(value)
        except ValueError:
            raise ProtocolError("unknown reason") from None

    return check


_u8 = _uint(0xFF)
_u16 = _uint(0xFFFF)
_u32 = _uint(0xFFFFFFFF)
_tag = _binary(TAG_LENGTH, TAG_LENGTH)
_key = _binary(KEY_LENGTH, KEY_LENGTH)
_nonce = _binary(NONCE_LENGTH, NONCE_LENGTH)
_mac = _binary(MAC_LENGTH, MAC_LENGTH)
_id = _binary(SIGN_ON_ID_LENGTH, SIGN_ON_ID_LENGTH)
_frame = _binary(1, MAX_FRAME)

_TABLE: Final[tuple[tuple[type[Message], tuple[_Check, ...]], ...]] = (
    (Hello, (_key, _nonce)),
    (Challenge, (_nonce, _mac)),
    (Attach, (_mac,)),
    (Attached, (_u32, _u16)),
    (AuthRequest, (_u32, _id, _u16, _tags)),
    (Queued, (_u32,)),
    (Refused, (_u32, _reason(RefusedReason))),
    (Paired, (_u32, _u8, _address)),
    (Data, (_u32, _frame)),
    (Reject, (_u32,)),
    (Close, (_u32, _reason(CloseReason))),
    (Ping, ()),
    (Pong, ()),
    (Drain, ()),
    (AuthValidate, (_tag,)),
)
"""The index in this table is the message's type number on the wire."""

_TYPE_OF: Final = {message: number for number, (message, _) in enumerate(_TABLE)}

FROM_AGENT: Final = frozenset({Hello, Attach, AuthRequest, Data, Reject, Close, Ping, Pong})
FROM_RELAY: Final = frozenset(
    {Challenge, Attached, Queued, Refused, Paired, Data, Close, Ping, Pong, Drain}
)
FROM_VALIDATOR: Final = frozenset({AuthValidate})


def encode(message: Message) -> bytes:
    """The body of one frame."""
    return canonical.encode((_TYPE_OF[type(message)], *message))


def decode(body: bytes, allowed: frozenset[type[Message]]) -> Message:
    """The message in one frame's body, when it is one of `allowed`. Raises ProtocolError."""
    fields = canonical.decode_array(body)
    if not fields:
        raise ProtocolError("empty message")
    number = fields[0]
    if type(number) is not int or not 0 <= number < len(_TABLE):
        raise ProtocolError("unknown message type")
    message, checks = _TABLE[number]
    if message not in allowed:
        raise ProtocolError("message from the wrong side")
    if len(fields) != len(checks) + 1:
        raise ProtocolError("wrong number of fields")
    return message(*[check(field) for check, field in zip(checks, fields[1:], strict=True)])
