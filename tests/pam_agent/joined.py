"""The agent's half of a link and the relay's broker, joined without sockets."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.link import AgentLink
from pam_agent.link_events import Event, RelayRequest
from protocol import messages
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import encode_frame, encode_preface
from protocol.messages import AuthValidate, Message
from relay.broker import Broker
from relay.ends import Fate, Link, Validator
from relay.limits import Limits
from relay.peers import Peer

UID = 1000
SHARD = 7
RELAY_KEY = X25519PrivateKey.from_private_bytes(b"\x11" * 32)
AGENT_KEY = X25519PrivateKey.from_private_bytes(b"\x22" * 32)
TAG = b"the tag of one.."
TAG_2 = b"the tag of two.."
SIGN_ON_ID = b"sign-on1"


def stream(*said: Message) -> bytes:
    return b"".join(encode_frame(messages.encode(each)) for each in said)


def request(*tags: bytes, expires: float = 1060.0) -> RelayRequest:
    return RelayRequest(SIGN_ON_ID, tags or (TAG,), expires)


@dataclass
class Joined:
    """`turn` carries bytes both ways until neither side has anything more to say."""

    by_key: bool = False
    limits: Limits = field(default_factory=Limits)
    own_key: X25519PrivateKey = AGENT_KEY
    relay_key: X25519PrivateKey = RELAY_KEY
    piece: int = 1_000_000
    """Bytes that arrive at a time."""
    now: float = 1000.0
    events: list[tuple[RelayRequest, Event]] = field(default_factory=list)

    def __post_init__(self) -> None:
        known = {public_bytes(AGENT_KEY): "web1"}
        self.broker = Broker(self.limits, self.relay_key, known, lambda: 0.0)
        self.agent = AgentLink(SHARD)
        self.end: Link | None = None

    def connect(self) -> None:
        """A new connection, as far as its two ends get by themselves."""
        peer = Peer(bytes((192, 0, 2, 1)), 4712) if self.by_key else UID
        self.end = self.broker.link_opened(peer, frozenset({UID}), self.now)
        assert self.end is not None
        handshake = (
            AgentHandshake(self.own_key, public_bytes(RELAY_KEY))
            if self.by_key
            else AgentHandshake(None, None)
        )
        self.agent.connected(handshake, self.now)
        self.turn()

    def lose(self) -> None:
        """The connection breaks, and both sides see it."""
        assert self.end is not None
        self.broker.link_gone(self.end, self.now)
        self.events += self.agent.disconnected()
        self.end = None

    def turn(self) -> list[Event]:
        """The agent's events since the last call."""
        assert self.end is not None
        while self.agent.out or self.end.out:
            self.to_relay()
            self.to_agent()
        events, self.events = self.events, []
        return [event for _, event in events]

    def to_relay(self) -> None:
        assert self.end is not None
        data = bytes(self.agent.out)
        self.agent.out.clear()
        for piece in self._pieces(data):
            self.broker.link_bytes(self.end, piece, self.now)

    def to_agent(self) -> None:
        assert self.end is not None
        data = bytes(self.end.out)
        self.end.out.clear()
        for piece in self._pieces(data):
            self.events += self.agent.received(piece, self.now)

    def _pieces(self, data: bytes) -> Sequence[bytes]:
        return [data[i : i + self.piece] for i in range(0, len(data), self.piece)]

    def validator(self, tag: bytes = TAG, *frames: bytes) -> Validator:
        """One that asks for `tag` and sends `frames` at once."""
        validator = self.broker.validator_opened(Peer(bytes((192, 0, 2, 7)), 4711), self.now)
        assert validator is not None
        opening = encode_preface(SHARD) + stream(AuthValidate(tag))
        opening += b"".join(encode_frame(frame) for frame in frames)
        self.broker.validator_bytes(validator, opening, self.now)
        return validator

    def is_open(self) -> bool:
        """Whether the relay still wants the link."""
        return self.end is not None and self.end.fate is Fate.OPEN
