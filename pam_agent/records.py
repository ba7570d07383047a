"""pure. What the agent remembers: itself, an account's standing, its devices."""

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.agent_auth import public_bytes
from protocol.ratchet import Ratchet
from protocol.signon import EnrolledDevice


class DisabledReason(StrEnum):
    """Why a device is disabled, for good: it must be revoked and enrolled anew."""

    FAILURES = "failures"
    """Too many failures in a row: somebody holds it who cannot activate it."""
    CLONE = "clone"
    """A decision came under a key that was used up: there are two copies of the device."""


class Decided(Enum):
    """What the store made of a DECISION. Only MOVED is true: no other may let anybody in."""

    MOVED = "moved"
    """The ratchet's next generation is on the disk."""
    OVERTAKEN = "overtaken"
    """Another sign-on moved the ratchet since H1: denied, without RECEIPT, nothing changed."""
    DISABLED = "disabled"
    """The clone alarm, which disabled the device, or it was disabled or revoked before: RECEIPT
    says so."""

    def __bool__(self) -> bool:
        return self is Decided.MOVED


@dataclass(frozen=True)
class AgentIdentity:
    """Drawn once per host. `static` is S_a, used only in Noise; `link` only towards relays.

    `shard` (0 to 255) is the byte of the preface by which balancers route.
    """

    static: X25519PrivateKey = field(repr=False)
    link: X25519PrivateKey = field(repr=False)
    shard: int

    @property
    def link_public(self) -> bytes:
        """The 32 bytes that a relay's operator puts into the relay's list of agents."""
        return public_bytes(self.link)


@dataclass(frozen=True)
class AccountStanding:
    """What the next CONTEXT says of an account: `last_success` in Unix seconds, 0 for never."""

    last_success: int = 0
    failures_since: int = 0


@dataclass(frozen=True)
class Device:
    """One enrolment. `public` and `rendezvous_root` (K_rv) are 32 bytes; times in Unix seconds.

    `last_used` 0 is never. Unless `proved`, the device has not shown yet that it holds its key.
    """

    id: int
    account: str
    name: str
    public: bytes
    rendezvous_root: bytes = field(repr=False)
    ratchet: Ratchet = field(repr=False)
    failures: int
    backoff_until: float
    disabled: DisabledReason | None
    proved: bool
    created: int
    last_used: int
    ticket_counter: int = 0
    """The next ticket's."""

    @property
    def enrolled(self) -> EnrolledDevice:
        """What the sign-on machine needs of it."""
        return EnrolledDevice(self.public, self.rendezvous_root, self.ratchet.candidates())


@dataclass(frozen=True)
class Totp:
    """An account's authenticator app. `secret` is 20 bytes; times in Unix seconds.

    `last_step` is the time step of the last code that was right: that one and older ones are used.
    """

    account: str
    secret: bytes = field(repr=False)
    created: int
    last_step: int = 0
    failures: int = 0
    backoff_until: float = 0.0
