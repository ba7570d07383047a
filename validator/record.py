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
from validator.pin import SALT_LENGTH, Pad

RECORD_VERSION: Final = 2
BEFORE_PINS: Final = 1
"""The version without the fields 14 and 15; such a record is read, and written anew as the other
one when next it is written."""
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
    in Unix seconds; `last_used` 0 is never. `relays` as `host:port`. `ticket_counter` is the number
    of the tickets made in this generation.

    With `pin_salt` (16 bytes, or none) the record is under a PIN: the root in `generation` is
    hidden until `unlocked` has given the record its `pad`, and is hidden again by `encode`.
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
    ticket_counter: int = 0
    pin_salt: bytes = b""
    pad: Pad | None = field(default=None, repr=False)

    @staticmethod
    def enrolled(
        offer: Offer,
        static: X25519PrivateKey,
        answer: EnrolAnswer,
        enrolled_keys: EnrolledKeys,
        device: str,
        now: int,
        pad: Pad | None = None,
    ) -> "Record":
        """The record that E2 makes, under a PIN from the start if there is a `pad`.

        `now` in Unix seconds.
        """
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
            pin_salt=b"" if pad is None else pad.salt,
            pad=pad,
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
    def under_pin(self) -> bool:
        return bool(self.pin_salt)

    def unlocked(self, pad: Pad) -> "Record":
        """The record with the root that `pad` shows; nothing here can tell whether it is R_g."""
        if pad.salt != self.pin_salt or self.pad is not None:
            raise RuntimeError("the pad is not of this record")
        root = pad.applied(self.generation.root)
        return replace(self, generation=Generation(self.generation.number, root), pad=pad)

    def under(self, pad: Pad | None, before: "Record") -> "Record":
        """The same under another PIN, or none: only with another root than the record `before`.

        One root under two pads would let a thief with both files check guesses (see `pin`).
        """
        if self.ratchet_root == before.ratchet_root:
            raise RuntimeError("the PIN changes with the root only")
        return replace(self, pin_salt=b"" if pad is None else pad.salt, pad=pad)

    @property
    def ratchet_root(self) -> bytes:
        """R_g (32 bytes), of a record that is under no PIN or unlocked."""
        if self.under_pin and self.pad is None:
            raise RuntimeError("the record is under a PIN")
        return self.generation.root

    @property
    def device_keys(self) -> DeviceKeys:
        """What the protocol's machine needs of it, once it is unlocked."""
        return DeviceKeys(
            X25519PrivateKey.from_private_bytes(self.static),
            self.agent_public,
            self.rendezvous_root,
            Generation(self.generation.number, self.ratchet_root),
        )

    def advanced(self, generation: Generation, signed_on_at: int | None) -> "Record":
        """The record after a RECEIPT: the old root is gone from it, and its tickets are.

        `signed_on_at` (Unix seconds) is given when the host said that the sign-on succeeded, which
        also proves the enrolment.
        """
        advanced = replace(self, generation=generation, ticket_counter=0)
        if signed_on_at is None:
            return advanced
        return replace(advanced, last_used=max(0, signed_on_at), state=State.ACTIVE)

    def ticketed(self) -> "Record":
        """The record after one more ticket."""
        return replace(self, ticket_counter=self.ticket_counter + 1)

    def disabled(self) -> "Record":
        return replace(self, state=State.DISABLED)

    def encode(self) -> bytes:
        """The bytes of the record's file, with the root hidden if the record is under a PIN."""
        root = self.generation.root
        return _sealed(
            {
                0: RECORD_VERSION,
                **self._fields(root if self.pad is None else self.pad.applied(root)),
                14: self.ticket_counter,
                15: self.pin_salt,
            }
        )

    def _fields(self, root: bytes) -> dict[int, object]:
        """What has not changed since the first version."""
        return {
            1: self.host,
            2: self.user,
            3: self.device,
            4: self.agent_public,
            5: self.static,
            6: self.rendezvous_root,
            7: self.generation.number,
            8: root,
            9: self.shard,
            10: self.relays,
            11: self.enrolled_at,
            12: self.last_used,
            13: int(self.state),
        }

    @staticmethod
    def decode(data: bytes) -> "Record":
        """Raises DamagedError."""
        body, digest = data[:-DIGEST_LENGTH], data[-DIGEST_LENGTH:]
        if len(data) > MAX_RECORD or digest != _digest(body):
            raise DamagedError("it is damaged or incomplete")
        try:
            fields = MapReader(body)
            version = fields.uint(0, _U32)
            if version not in (BEFORE_PINS, RECORD_VERSION):
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
            if version == BEFORE_PINS:
                again = _sealed({0: version, **record._fields(record.generation.root)})
            else:
                record = replace(
                    record, ticket_counter=fields.uint(14, _U32), pin_salt=_pin_salt(fields)
                )
                again = record.encode()
        except ProtocolError:
            raise DamagedError("it does not hold what a record holds") from None
        if again != data:
            raise DamagedError("it holds more than a record holds")
        return record


def _pin_salt(fields: MapReader) -> bytes:
    """16 bytes, or none. Raises ProtocolError."""
    try:
        return fields.binary(15, SALT_LENGTH)
    except ProtocolError:
        return fields.binary(15, 0)


def _sealed(fields: dict[int, object]) -> bytes:
    """The bytes of a record's file."""
    body = canonical.encode(fields)
    return body + _digest(body)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:DIGEST_LENGTH]
