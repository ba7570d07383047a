"""pure. The messages between an agent, a relay and a validator (SPEC section 2.4).

Must not know what a frame inside Data means: the relay imports this module, and the relay is blind.

Each message is declared once, as a msgspec Struct whose tag is its type number; arity, types and
bounds are checked while it is decoded. Encoded again it must give the bytes received, or they were
not canonical (SPEC section 2.3).
"""

from enum import IntEnum
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

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

_U8 = Annotated[int, Meta(ge=0, le=0xFF)]
_U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
_U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
_Key = Annotated[bytes, Meta(min_length=KEY_LENGTH, max_length=KEY_LENGTH)]
_Nonce = Annotated[bytes, Meta(min_length=NONCE_LENGTH, max_length=NONCE_LENGTH)]
_Mac = Annotated[bytes, Meta(min_length=MAC_LENGTH, max_length=MAC_LENGTH)]
_SignOnId = Annotated[bytes, Meta(min_length=SIGN_ON_ID_LENGTH, max_length=SIGN_ON_ID_LENGTH)]
_Tag = Annotated[bytes, Meta(min_length=TAG_LENGTH, max_length=TAG_LENGTH)]
_Tags = Annotated[tuple[_Tag, ...], Meta(min_length=1, max_length=MAX_TAGS)]
_Frame = Annotated[bytes, Meta(min_length=1, max_length=MAX_FRAME)]


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


class _Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """An array whose first item is the type number. No message can be in a reference cycle."""


class Hello(_Message, frozen=True, tag=0):
    """Agent to relay: the first frame of a link."""

    link_key: _Key
    nonce: _Nonce


class Challenge(_Message, frozen=True, tag=1):
    """Relay to agent."""

    nonce: _Nonce
    mac: _Mac


class Attach(_Message, frozen=True, tag=2):
    """Agent to relay."""

    mac: _Mac


class Attached(_Message, frozen=True, tag=3):
    """Relay to agent: the link is up. `longest_ttl` in seconds."""

    most_waiting: _U32
    longest_ttl: _U16


class AuthRequest(_Message, frozen=True, tag=4):
    """Agent to relay: queue this. `request` is the agent's number on its link, `ttl` in seconds."""

    request: _U32
    sign_on_id: _SignOnId
    ttl: _U16
    tags: _Tags

    def __post_init__(self) -> None:
        if len(set(self.tags)) != len(self.tags):
            raise ValueError("a tag occurs twice in one request")


class Queued(_Message, frozen=True, tag=5):
    """Relay to agent: now, and not before, the passcode may be shown."""

    request: _U32


class Refused(_Message, frozen=True, tag=6):
    """Relay to agent."""

    request: _U32
    reason: RefusedReason


class Paired(_Message, frozen=True, tag=7):
    """Relay to agent: a validator brought the tag at `tag_index`; `address` as the relay saw it."""

    request: _U32
    tag_index: _U8
    address: str

    def __post_init__(self) -> None:
        if len(self.address.encode()) > MAX_ADDRESS_TEXT:
            raise ValueError("address is too long")


class Data(_Message, frozen=True, tag=8):
    """Both ways: one whole frame of the transaction."""

    request: _U32
    frame: _Frame


class Reject(_Message, frozen=True, tag=9):
    """Agent to relay: this validator was no good; put the request back in the queue."""

    request: _U32


class Close(_Message, frozen=True, tag=10):
    """Both ways: the request and its transaction are over."""

    request: _U32
    reason: CloseReason


class Ping(_Message, frozen=True, tag=11):
    """Both ways."""


class Pong(_Message, frozen=True, tag=12):
    """Both ways: the answer to Ping."""


class Drain(_Message, frozen=True, tag=13):
    """Relay to agent: no new requests here, please."""


class AuthValidate(_Message, frozen=True, tag=14):
    """Validator to relay: the first frame of its connection."""

    tag: _Tag


FromAgent = Hello | Attach | AuthRequest | Data | Reject | Close | Ping | Pong
FromRelay = Challenge | Attached | Queued | Refused | Paired | Data | Close | Ping | Pong | Drain
FromValidator = AuthValidate
Message = FromAgent | FromRelay | FromValidator

FROM_AGENT: Final = msgspec.msgpack.Decoder(FromAgent)
FROM_RELAY: Final = msgspec.msgpack.Decoder(FromRelay)
FROM_VALIDATOR: Final = msgspec.msgpack.Decoder(FromValidator)
"""What each side may send."""

_ENCODER: Final = msgspec.msgpack.Encoder()

_M = TypeVar("_M", bound=Message)


def encode(message: Message) -> bytes:
    """The body of one frame."""
    return _ENCODER.encode(message)


def decode(body: bytes, allowed: msgspec.msgpack.Decoder[_M]) -> _M:
    """The message in one frame's body, when that side may send it. Raises ProtocolError."""
    try:
        message = allowed.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # the latter for a text that is no UTF-8
        raise ProtocolError("not a message that may come here") from None
    if _ENCODER.encode(message) != body:
        raise ProtocolError("message is not canonical msgpack")
    return message
