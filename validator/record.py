"""pure. One enrolment as the device keeps it: what is in a record's file, byte for byte.

    canonical msgpack map | first 16 bytes of the SHA-256 of that map

The digest finds damage and protects nothing: a flipped bit in a key would otherwise look like a
host that never has the sign-on, and the user would be warned of a fake screen.
"""

import base64
import hashlib
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import canonical
from protocol.agent_auth import public_bytes
from protocol.canonical import MapReader
from protocol.enrolment import (
    MAX_DEVICE_NAME,
    MAX_RELAY_ADDRESS,
    EnrolAnswer,
    EnrolledKeys,
    Offer,
)
from protocol.errors import ProtocolError
from protocol.limits import KEY_LENGTH, MAX_RELAYS
from protocol.ratchet import Generation
from protocol.signon import DeviceKeys
from protocol.signon_messages import MAX_HOST, MAX_USER, enum_field
from protocol.text import fit

RECORD_VERSION: Final = 1
DIGEST_LENGTH: Final = 16
MAX_RECORD: Final = 2048
"""Bytes of a record's file: the largest texts and four relays come to about 900."""

ID_BYTES: Final = 10
"""Bytes of the static key's digest in a record's id: 80 bits never meet by chance."""

_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF


class State(IntEnum):
    """What an enrolment is good for."""

    UNPROVED = 1
    """Stored, but the host has not yet said that it counts."""
    ACTIVE = 2
    DISABLED = 3
    """The host has refused this device for good: the clone alarm."""


class DamagedError(ValueError):
    """Bytes that are no record; the message says why, without repeating them."""


@dataclass(frozen=True)
class Record:
    """One enrolment: this device, for `user` at `host`. Secrets are not in repr.

    `static` is S_v (32 bytes, private), `rendezvous_root` K_rv (32). `enrolled_at` and `last_used`
    in Unix seconds; `last_used` 0 is never. `relays` as `host:port`.
    """

    host: str
    user: str
    device: str
    agent_public: bytes
    static: bytes = field(repr=False)
    rendezvous_root: bytes = field(repr=False)
    generation: Generation
    shard: int
    relays: tuple[str, ...]
    enrolled_at: int
    last_used: int = 0
    state: State = State.UNPROVED

    @staticmethod
    def enrolled(
        offer: Offer,
        static: X25519PrivateKey,
        answer: EnrolAnswer,
        enrolled_keys: EnrolledKeys,
        device: str,
        now: int,
    ) -> "Record":
        """The record that E2 makes. `now` in Unix seconds."""
        return Record(
            host=answer.host,
            user=answer.user,
            device=fit(device, MAX_DEVICE_NAME),
            agent_public=offer.agent_public,
            static=static.private_bytes_raw(),
            rendezvous_root=enrolled_keys.rendezvous_root,
            generation=Generation(0, enrolled_keys.ratchet_root),
            shard=offer.shard,
            relays=offer.relays,
            enrolled_at=max(0, now),
        )

    @property
    def record_id(self) -> str:
        """Names the record's file: 16 characters of base32, from the static public key.

        Not from host and user: those are the word of a host, and a hostile one could choose those
        of another to overwrite its record.
        """
        public = public_bytes(X25519PrivateKey.from_private_bytes(self.static))
        digest = hashlib.sha256(public).digest()[:ID_BYTES]
        return base64.b32encode(digest).decode("ascii").lower()

    @property
    def device_keys(self) -> DeviceKeys:
        """What the protocol's machine needs of it."""
        return DeviceKeys(
            X25519PrivateKey.from_private_bytes(self.static),
            self.agent_public,
            self.rendezvous_root,
            self.generation,
        )

    def advanced(self, generation: Generation, signed_on_at: int | None) -> "Record":
        """The record after a RECEIPT: the old root is gone from it.

        `signed_on_at` (Unix seconds) is given when the host said that the sign-on succeeded, which
        also proves the enrolment.
        """
        if signed_on_at is None:
            return replace(self, generation=generation)
        return replace(
            self, generation=generation, last_used=max(0, signed_on_at), state=State.ACTIVE
        )

    def disabled(self) -> "Record":
        return replace(self, state=State.DISABLED)

    def encode(self) -> bytes:
        """The bytes of the record's file."""
        body = canonical.encode(
            {
                0: RECORD_VERSION,
                1: self.host,
                2: self.user,
                3: self.device,
                4: self.agent_public,
                5: self.static,
                6: self.rendezvous_root,
                7: self.generation.number,
                8: self.generation.root,
                9: self.shard,
                10: self.relays,
                11: self.enrolled_at,
                12: self.last_used,
                13: int(self.state),
            }
        )
        return body + _digest(body)

    @staticmethod
    def decode(data: bytes) -> "Record":
        """Raises DamagedError."""
        body, digest = data[:-DIGEST_LENGTH], data[-DIGEST_LENGTH:]
        if len(data) > MAX_RECORD or digest != _digest(body):
            raise DamagedError("it is damaged or incomplete")
        try:
            fields = MapReader(body)
            if fields.uint(0, _U32) != RECORD_VERSION:
                raise DamagedError("it was written by another version of this program")
            record = Record(
                host=fields.text(1, MAX_HOST),
                user=fields.text(2, MAX_USER),
                device=fields.text(3, MAX_DEVICE_NAME),
                agent_public=fields.binary(4, KEY_LENGTH),
                static=fields.binary(5, KEY_LENGTH),
                rendezvous_root=fields.binary(6, KEY_LENGTH),
                generation=Generation(fields.uint(7, _U32), fields.binary(8, KEY_LENGTH)),
                shard=fields.uint(9, 0xFF),
                relays=fields.texts(10, MAX_RELAYS, MAX_RELAY_ADDRESS),
                enrolled_at=fields.uint(11, _U64),
                last_used=fields.uint(12, _U64),
                state=enum_field(State, fields, 13),
            )
        except ProtocolError:
            raise DamagedError("it does not hold what a record holds") from None
        if record.encode() != data:
            raise DamagedError("it holds more than a record holds")
        return record


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:DIGEST_LENGTH]
