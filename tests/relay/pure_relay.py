"""A broker without sockets: its clock is a number, its ends' bytes are read from `out`."""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages
from protocol.agent_auth import AgentHandshake
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME
from protocol.messages import FROM_RELAY, Attached, AuthRequest, AuthValidate, Message, Queued
from relay.broker import Broker
from relay.ends import Fate, Link, LinkState, Validator
from relay.limits import Limits
from relay.peers import Peer
from relay.proxies import Proxies
from relay.records import Record

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
UID = 1000
TAG = b"tag of a request"
OTHER = b"tag of another.."
SIGN_ON_ID = b"sign-on."
H1 = b"h" * 80


def frames(*out: Message) -> bytes:
    return b"".join(encode_frame(messages.encode(message)) for message in out)


def asking_for(tag: bytes) -> bytes:
    """What a validator sends first."""
    return encode_preface(7) + frames(AuthValidate(tag))


class PureRelay:
    """A broker, the time, and what it has recorded."""

    def __init__(
        self,
        *,
        agents: dict[bytes, str] | None = None,
        jitter: Callable[[], float] = lambda: 0.0,
        **limits: Any,
    ) -> None:
        self.limits = Limits(**limits)
        self.agents = agents or {}
        self.broker = Broker(self.limits, KEY, self.agents, jitter)
        self.now = 1000.0
        self.addresses = 0
        self.source = bytes((198, 51, 100, 7))
        """Where validators come from."""
        self.proxies: Proxies = ()
        """Of its TCP listeners."""
        self._seen: dict[Link | Validator, tuple[bytes, Fate, bool]] = {}

    def look_at(self, end: Link | Validator) -> None:
        """From now on."""
        self._seen[end] = _state(end)

    def look(self) -> None:
        """After a step: whoever has changed must be touched, or its socket would never know."""
        for end, before in self._seen.items():
            if before != _state(end):
                assert end.touched, "it has changed and is not touched"
                self._seen[end] = _state(end)
        self.broker.touched_links()
        self.broker.touched_validators()

    def read(self, end: Link | Validator) -> bytes:
        """Take what is in `out`, as its socket would."""
        data = bytes(end.out)
        end.out.clear()
        self._seen[end] = _state(end)
        return data

    def wait(self, seconds: float) -> None:
        """Time passes, and the broker is woken whenever it asked for it."""
        until = self.now + seconds
        while (due := self.broker.next_deadline()) <= until:
            self.now = max(self.now, due)
            self.broker.tick(self.now)
            assert self.broker.next_deadline() > self.now, "it would spin"
        self.now = until
        self.broker.tick(self.now)
        self.look()

    def records(self) -> list[Record]:
        """Those since the last call."""
        records = list(self.broker.records)
        self.broker.records.clear()
        return records

    def link(self, uid: int | None = UID) -> "AgentEnd":
        """A link that has not said anything yet; None comes by TCP."""
        link = self.link_or_none(Peer(bytes((192, 0, 2, 1)), 999) if uid is None else uid)
        assert link is not None, "it was refused"
        return link

    def link_or_none(self, peer: Peer | int) -> "AgentEnd | None":
        proxies = self.proxies if isinstance(peer, Peer) else ()
        link = self.broker.link_opened(peer, frozenset({UID, UID + 1}), self.now, proxies)
        if link is None:
            return None
        self._seen[link] = (b"", Fate.OPEN, True)
        self.look()
        return AgentEnd(self, link)

    def agent(self, uid: int = UID) -> "AgentEnd":
        """An attached link."""
        agent = self.link(uid)
        agent.feed(encode_preface(7) + frames(AgentHandshake(None, None).hello()))
        assert isinstance(agent.received()[0], Attached)
        self.records()
        return agent

    def validator(self, *data: bytes) -> "ValidatorEnd":
        """One that is let in, and sends `data`."""
        end = self.validator_or_none()
        assert end is not None, "it was refused"
        if data:
            end.feed(b"".join(data))
        return end

    def validator_or_none(self) -> "ValidatorEnd | None":
        self.addresses += 1
        peer = Peer(self.source, self.addresses)
        validator = self.broker.validator_opened(peer, self.now, self.proxies)
        if validator is None:
            return None
        self._seen[validator] = (b"", Fate.OPEN, True)
        self.look()
        return ValidatorEnd(self, validator)


def _state(end: Link | Validator) -> tuple[bytes, Fate, bool]:
    return bytes(end.out), end.fate, isinstance(end, Link) or end.reading


class AgentEnd:
    """What an agent sends and receives."""

    def __init__(self, relay: PureRelay, link: Link) -> None:
        self.relay = relay
        self.link = link
        self._reader = FrameReader(MAX_LINK_FRAME)

    @property
    def up(self) -> bool:
        return self.link.state is LinkState.UP

    def feed(self, data: bytes) -> None:
        self.relay.broker.link_bytes(self.link, data, self.relay.now)
        self.relay.look()

    def send(self, *out: Message) -> None:
        self.feed(frames(*out))

    def received(self) -> list[Message]:
        """Messages since the last call."""
        self._reader.feed(self.relay.read(self.link))
        found: list[Message] = []
        while (body := self._reader.next_frame()) is not None:
            found.append(messages.decode(body, FROM_RELAY))
        return found

    def queue(self, *tags: bytes, number: int = 1, ttl: int = 60) -> None:
        """Queue a request that must be taken."""
        self.send(AuthRequest(number, SIGN_ON_ID, ttl, tags or (TAG,)))
        assert Queued(number) in self.received()

    def leave(self) -> None:
        self.relay.broker.link_gone(self.link, self.relay.now)
        self.relay.look()


class ValidatorEnd:
    """What a validator sends and receives."""

    def __init__(self, relay: PureRelay, end: Validator) -> None:
        self.relay = relay
        self.end = end
        self._reader = FrameReader(MAX_FRAME)

    def feed(self, data: bytes) -> None:
        self.relay.broker.validator_bytes(self.end, data, self.relay.now)
        self.relay.look()

    def received(self) -> list[bytes]:
        """Frames since the last call."""
        self._reader.feed(self.relay.read(self.end))
        found: list[bytes] = []
        while (body := self._reader.next_frame()) is not None:
            found.append(body)
        return found

    def leave(self) -> None:
        self.relay.broker.validator_gone(self.end, self.relay.now)
        self.relay.look()

    @property
    def open(self) -> bool:
        return self.end.fate is Fate.OPEN

    @property
    def reset(self) -> bool:
        return self.end.fate is Fate.RESET

    def is_held_until_its_moment(self) -> bool:
        """Not a byte, and a reset exactly at `release`; time passes."""
        wait = self.end.release - self.relay.now
        before = self.open and not self.end.out and not self.end.reading
        self.relay.wait(wait - 0.001)
        before = before and self.open and not self.end.out
        self.relay.wait(0.012)
        return before and self.reset and not self.end.out
