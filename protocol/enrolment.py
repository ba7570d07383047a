"""pure. Enrolment of a device: the offer that a host shows, and two machines (SPEC section 6).

    validator -> agent   E1   IKpsk1 message 1: the device's name
    agent -> validator   E2   IKpsk1 message 2: the host's label, the user, r_0

psk is E, the secret in the offer. A sign-on in mode PROOF follows before the record counts.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import canonical, keys
from protocol.canonical import MapReader
from protocol.errors import ProtocolError
from protocol.kdf import hkdf, kdf
from protocol.keys import Mode
from protocol.limits import (
    ENROL_ANSWER_LENGTH,
    ENROL_REQUEST_LENGTH,
    KEY_LENGTH,
    MAX_RELAYS,
    RANDOM_LENGTH,
    TAG_LENGTH,
    VERSION,
)
from protocol.noise import IKPSK1, Handshake, HandshakeKeys
from protocol.signon_messages import MAX_HOST, MAX_USER, check_version, pad, unpad
from protocol.text import clean, fit

SCHEME: Final = "bartizan:"
MAX_RELAY_ADDRESS: Final = 96
"""UTF-8 bytes of `host:port`."""
MAX_DEVICE_NAME: Final = 64
COMPARE_DIGITS: Final = 6
_CHECKSUM_LENGTH: Final = 4
_U64: Final = 0xFFFFFFFFFFFFFFFF


class OfferError(ValueError):
    """What was scanned or typed is no offer; the message says why, without repeating it."""


@dataclass(frozen=True)
class Offer:
    """What `bartizan-agent enroll` shows as a QR code and as a typed code.

    `secret` is E (32 bytes); `expires` in Unix seconds; `relays` as `host:port`.
    """

    agent_public: bytes
    secret: bytes = field(repr=False)
    expires: int
    shard: int
    relays: tuple[str, ...]
    host: str

    @property
    def tag(self) -> bytes:
        """The tag of the enrolment's request, 16 bytes."""
        return kdf(self.secret, "tag", b"", TAG_LENGTH)

    def encode(self) -> str:
        """The URI: `bartizan:` and RFC 4648 base32 in lower case without padding."""
        body = canonical.encode(
            {
                0: VERSION,
                1: self.agent_public,
                2: self.secret,
                3: self.expires,
                4: self.shard,
                5: self.relays,
                6: fit(self.host, MAX_HOST),
            }
        )
        code = base64.b32encode(body + _checksum(body)).decode("ascii")
        return SCHEME + code.rstrip("=").lower()

    @staticmethod
    def decode(uri: str) -> "Offer":
        """Case, spaces, line breaks and hyphens do not matter. Raises OfferError."""
        text = "".join(uri.split()).replace("-", "").lower()
        if not text.startswith(SCHEME):
            raise OfferError(f"an enrolment code begins with {SCHEME}")
        code = text[len(SCHEME) :].upper()
        try:
            data = base64.b32decode(code + "=" * (-len(code) % 8))
        except ValueError:
            raise OfferError("the code has a character that no enrolment code has") from None
        body, checksum = data[:-_CHECKSUM_LENGTH], data[-_CHECKSUM_LENGTH:]
        if checksum != _checksum(body):
            raise OfferError("the code is incomplete or mistyped")
        try:
            fields = MapReader(body)
            check_version(fields)
            return Offer(
                agent_public=fields.binary(1, KEY_LENGTH),
                secret=fields.binary(2, KEY_LENGTH),
                expires=fields.uint(3, _U64),
                shard=fields.uint(4, 0xFF),
                relays=tuple(clean(r) for r in fields.texts(5, MAX_RELAYS, MAX_RELAY_ADDRESS)),
                host=clean(fields.text(6, MAX_HOST)),
            )
        except ProtocolError as error:
            raise OfferError(f"the code is of another version or damaged: {error}") from None


def _checksum(body: bytes) -> bytes:
    """Finds typing errors; protects nothing."""
    return hashlib.sha256(body).digest()[:_CHECKSUM_LENGTH]


@dataclass(frozen=True)
class EnrolledKeys:
    """What both sides derive: K_rv and R_0 (32 bytes each), and digits for people to compare."""

    rendezvous_root: bytes = field(repr=False)
    ratchet_root: bytes = field(repr=False)
    compare: str


def _derive(handshake_hash: bytes, secret: bytes, agent_random: bytes) -> EnrolledKeys:
    """`X = HKDF(salt=h, IKM=E || r_0)`, then K_rv and R_0 from X."""
    x = hkdf(handshake_hash, secret + agent_random, b"enrol", KEY_LENGTH)
    number = int.from_bytes(kdf(handshake_hash, "compare", b"", 8), "big")
    return EnrolledKeys(
        kdf(x, "rv", b"", KEY_LENGTH),
        kdf(x, "r0", b"", KEY_LENGTH),
        f"{number % 10**COMPARE_DIGITS:0{COMPARE_DIGITS}d}",
    )


@dataclass(frozen=True)
class EnrolAnswer:
    """E2: what the agent tells a new device. `agent_random` is r_0 (32 bytes)."""

    host: str
    user: str
    agent_random: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The padded plaintext, 512 bytes."""
        return pad(
            {
                0: VERSION,
                1: fit(self.host, MAX_HOST),
                2: fit(self.user, MAX_USER),
                3: self.agent_random,
            },
            ENROL_ANSWER_LENGTH,
        )

    @staticmethod
    def decode(plaintext: bytes) -> "EnrolAnswer":
        """Raises ProtocolError."""
        fields = unpad(plaintext, ENROL_ANSWER_LENGTH)
        check_version(fields)
        return EnrolAnswer(
            host=clean(fields.text(1, MAX_HOST)),
            user=clean(fields.text(2, MAX_USER)),
            agent_random=fields.binary(3, RANDOM_LENGTH),
        )


class ValidatorEnrolment:
    """The validator's machine: `e1`, then `receive_e2`."""

    def __init__(
        self,
        offer: Offer,
        static: X25519PrivateKey,
        ephemeral: X25519PrivateKey | None = None,
    ) -> None:
        """`static` is new for every enrolment; `ephemeral` is given only by tests."""
        self._offer = offer
        self._noise = Handshake(
            IKPSK1,
            True,
            keys.prologue(Mode.ENROLMENT, offer.tag),
            HandshakeKeys(
                static,
                offer.agent_public,
                offer.secret,
                ephemeral or X25519PrivateKey.generate(),
            ),
        )

    def e1(self, device_name: str) -> bytes:
        """The first frame."""
        payload = {0: VERSION, 1: fit(device_name, MAX_DEVICE_NAME)}
        return self._noise.write(pad(payload, ENROL_REQUEST_LENGTH))

    def receive_e2(self, frame: bytes) -> tuple[EnrolAnswer, EnrolledKeys]:
        """Raises ProtocolError."""
        answer = EnrolAnswer.decode(self._noise.read(frame))
        return answer, _derive(self._noise.handshake_hash, self._offer.secret, answer.agent_random)


@dataclass(frozen=True)
class NewDevice:
    """What E1 brings: the device's own name for itself and its static public key (32 bytes)."""

    name: str
    public: bytes


class AgentEnrolment:
    """The agent's machine: `receive_e1`, then `e2`."""

    def __init__(
        self,
        offer: Offer,
        static: X25519PrivateKey,
        ephemeral: X25519PrivateKey | None = None,
    ) -> None:
        """`ephemeral` is given only by tests with fixed vectors."""
        self._offer = offer
        self._noise = Handshake(
            IKPSK1,
            False,
            keys.prologue(Mode.ENROLMENT, offer.tag),
            HandshakeKeys(static, None, offer.secret, ephemeral or X25519PrivateKey.generate()),
        )

    def receive_e1(self, frame: bytes) -> NewDevice:
        """Raises ProtocolError."""
        fields = unpad(self._noise.read(frame), ENROL_REQUEST_LENGTH)
        check_version(fields)
        return NewDevice(clean(fields.text(1, MAX_DEVICE_NAME)), self._noise.remote_static)

    def e2(self, answer: EnrolAnswer) -> tuple[bytes, EnrolledKeys]:
        """The answering frame and the keys; the record must be durable before the frame is sent."""
        frame = self._noise.write(answer.encode())
        return frame, _derive(self._noise.handshake_hash, self._offer.secret, answer.agent_random)
