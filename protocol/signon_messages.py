"""pure. The plaintexts inside M-AUTH: H1's payload and four padded maps (SPEC section 4).

Each map travels as `u16 big-endian length | map | zeros`, padded to a fixed length, so that an
observer cannot tell one decision from another.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeVar

from protocol import canonical
from protocol.canonical import MapReader
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import (
    CONFIRM_LENGTH,
    CONTEXT_LENGTH,
    DECISION_LENGTH,
    H1_PAYLOAD_LENGTH,
    KEY_LENGTH,
    LENGTH_PREFIX,
    RANDOM_LENGTH,
    RECEIPT_LENGTH,
    SIGN_ON_ID_LENGTH,
    VERSION,
)
from protocol.text import clean, fit

_U16: Final = 0xFFFF
_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF

MAX_USER: Final = 64
MAX_HOST: Final = 128
MAX_SERVICE: Final = 32
MAX_REMOTE_ADDRESS: Final = 64
MAX_REMOTE_NAME: Final = 128
MAX_TTY: Final = 32
MAX_FIRST_FACTOR: Final = 32
MAX_NOTE: Final = 640
MAX_ALERT: Final = 160
MAX_REASON: Final = 64
MAX_RECEIPT_TEXT: Final = 128
MAX_PASSCODE_TEXT: Final = 16


class Verdict(IntEnum):
    """What the user decided. REPORT is a denial that also alarms the administrator."""

    APPROVE = 1
    DENY = 2
    REPORT = 3


class UserVerification(IntEnum):
    """How the device made sure that its user is there."""

    NONE = 0
    PRESENCE = 1
    PIN = 2
    BIOMETRIC = 3


class Role(IntEnum):
    """In what role the device's user is asked."""

    OWNER = 1
    APPROVER = 2


class SignOnOutcome(IntEnum):
    """What became of the sign-on, as RECEIPT tells the device."""

    SIGNED_ON = 1
    REFUSED = 2
    AWAITING_APPROVER = 3
    TOO_LATE = 4
    DISABLED = 5


@dataclass(frozen=True)
class H1Payload:
    """16 bytes: `u32 generation | u16 caps | u16 app version | 8 zero`, big-endian."""

    generation: int
    caps: int = 0
    app_version: int = 0

    def encode(self) -> bytes:
        return (
            self.generation.to_bytes(4, "big")
            + self.caps.to_bytes(2, "big")
            + self.app_version.to_bytes(2, "big")
            + bytes(8)
        )

    @staticmethod
    def decode(data: bytes) -> "H1Payload":
        """Raises ProtocolError."""
        if len(data) != H1_PAYLOAD_LENGTH or any(data[8:]):
            raise ProtocolError("H1 payload is malformed")
        return H1Payload(
            int.from_bytes(data[:4], "big"),
            int.from_bytes(data[4:6], "big"),
            int.from_bytes(data[6:8], "big"),
        )


@dataclass(frozen=True)
class Context:
    """CONTEXT: who is signing on where, as the agent knows it. Texts are cleaned both ways.

    `agent_time` and `last_success` are Unix seconds, for display only; `last_success` 0 is never.
    `remote_name` is what a name server claims. `seconds_left` is the time to decide. `alert` is
    what the device's owner has to learn at the next sign-on, whatever that is about.
    """

    sign_on_id: bytes
    agent_random: bytes = field(repr=False)
    user: str
    host: str
    service: str
    remote_address: str = ""
    remote_name: str = ""
    tty: str = ""
    agent_time: int = 0
    first_factor: str = ""
    seconds_left: int = 0
    mode: Mode = Mode.PASSCODE
    role: Role = Role.OWNER
    note: str = ""
    last_success: int = 0
    failures: int = 0
    alert: str = ""

    def encode(self) -> bytes:
        """The padded plaintext, 1536 bytes. An empty `alert` is left out."""
        alert = fit(self.alert, MAX_ALERT)
        return pad(
            {
                0: VERSION,
                1: self.sign_on_id,
                2: self.agent_random,
                3: fit(self.user, MAX_USER),
                4: fit(self.host, MAX_HOST),
                5: fit(self.service, MAX_SERVICE),
                6: fit(self.remote_address, MAX_REMOTE_ADDRESS),
                7: fit(self.remote_name, MAX_REMOTE_NAME),
                8: fit(self.tty, MAX_TTY),
                9: self.agent_time,
                10: fit(self.first_factor, MAX_FIRST_FACTOR),
                11: self.seconds_left,
                12: int(self.mode),
                13: int(self.role),
                14: fit(self.note, MAX_NOTE),
                15: self.last_success,
                16: self.failures,
            }
            | ({17: alert} if alert else {}),
            CONTEXT_LENGTH,
        )

    @staticmethod
    def decode(plaintext: bytes) -> "Context":
        """Raises ProtocolError."""
        fields = unpad(plaintext, CONTEXT_LENGTH)
        check_version(fields)
        return Context(
            sign_on_id=fields.binary(1, SIGN_ON_ID_LENGTH),
            agent_random=fields.binary(2, RANDOM_LENGTH),
            user=clean(fields.text(3, MAX_USER)),
            host=clean(fields.text(4, MAX_HOST)),
            service=clean(fields.text(5, MAX_SERVICE)),
            remote_address=clean(fields.text(6, MAX_REMOTE_ADDRESS)),
            remote_name=clean(fields.text(7, MAX_REMOTE_NAME)),
            tty=clean(fields.text(8, MAX_TTY)),
            agent_time=fields.uint(9, _U64),
            first_factor=clean(fields.text(10, MAX_FIRST_FACTOR)),
            seconds_left=fields.uint(11, _U16),
            mode=enum_field(Mode, fields, 12),
            role=enum_field(Role, fields, 13),
            note=clean(fields.text(14, MAX_NOTE)),
            last_success=fields.uint(15, _U64),
            failures=fields.uint(16, _U16),
            alert=clean(fields.optional_text(17, MAX_ALERT)),
        )


@dataclass(frozen=True)
class Decision:
    """DECISION: the user's verdict, bound to exactly the CONTEXT that was shown."""

    sign_on_id: bytes
    verdict: Verdict
    context_hash: bytes
    validator_random: bytes = field(repr=False)
    user_verification: UserVerification = UserVerification.PRESENCE
    passcode: str = field(default="", repr=False)
    reason: str = ""

    def encode(self) -> bytes:
        """The padded plaintext, 256 bytes."""
        return pad(
            {
                0: VERSION,
                1: self.sign_on_id,
                2: int(self.verdict),
                3: self.context_hash,
                4: self.validator_random,
                5: int(self.user_verification),
                6: self.passcode,
                7: fit(self.reason, MAX_REASON),
            },
            DECISION_LENGTH,
        )

    @staticmethod
    def decode(plaintext: bytes) -> "Decision":
        """Raises ProtocolError."""
        fields = unpad(plaintext, DECISION_LENGTH)
        check_version(fields)
        return Decision(
            sign_on_id=fields.binary(1, SIGN_ON_ID_LENGTH),
            verdict=enum_field(Verdict, fields, 2),
            context_hash=fields.binary(3, KEY_LENGTH),
            validator_random=fields.binary(4, RANDOM_LENGTH),
            user_verification=enum_field(UserVerification, fields, 5),
            passcode=fields.text(6, MAX_PASSCODE_TEXT),
            reason=clean(fields.text(7, MAX_REASON)),
        )


@dataclass(frozen=True)
class Receipt:
    """RECEIPT: the outcome, and the number of the ratchet's next generation."""

    sign_on_id: bytes
    outcome: SignOnOutcome
    next_generation: int
    text: str = ""

    def encode(self) -> bytes:
        """The padded plaintext, 256 bytes."""
        return pad(
            {
                0: VERSION,
                1: self.sign_on_id,
                2: int(self.outcome),
                3: self.next_generation,
                4: fit(self.text, MAX_RECEIPT_TEXT),
            },
            RECEIPT_LENGTH,
        )

    @staticmethod
    def decode(plaintext: bytes) -> "Receipt":
        """Raises ProtocolError."""
        fields = unpad(plaintext, RECEIPT_LENGTH)
        check_version(fields)
        return Receipt(
            sign_on_id=fields.binary(1, SIGN_ON_ID_LENGTH),
            outcome=enum_field(SignOnOutcome, fields, 2),
            next_generation=fields.uint(3, _U32),
            text=clean(fields.text(4, MAX_RECEIPT_TEXT)),
        )


@dataclass(frozen=True)
class Confirm:
    """CONFIRM: the device has stored the next generation."""

    sign_on_id: bytes

    def encode(self) -> bytes:
        """The padded plaintext, 256 bytes."""
        return pad({0: VERSION, 1: self.sign_on_id}, CONFIRM_LENGTH)

    @staticmethod
    def decode(plaintext: bytes) -> "Confirm":
        """Raises ProtocolError."""
        fields = unpad(plaintext, CONFIRM_LENGTH)
        check_version(fields)
        return Confirm(fields.binary(1, SIGN_ON_ID_LENGTH))


def pad(fields: dict[int, object], length: int) -> bytes:
    """`u16 length | map | zeros`, `length` bytes. ValueError for a map that does not fit."""
    body = canonical.encode(fields)
    plaintext = len(body).to_bytes(LENGTH_PREFIX, "big") + body
    if len(plaintext) > length:
        raise ValueError("map does not fit its padding")
    return plaintext.ljust(length, b"\0")


def unpad(plaintext: bytes, length: int) -> MapReader:
    """Raises ProtocolError."""
    if len(plaintext) != length:
        raise ProtocolError("padded message has another length")
    end = LENGTH_PREFIX + int.from_bytes(plaintext[:LENGTH_PREFIX], "big")
    if end > length or any(plaintext[end:]):
        raise ProtocolError("padding is malformed")
    return MapReader(plaintext[LENGTH_PREFIX:end])


def check_version(fields: MapReader) -> None:
    """Raises ProtocolError for another version in field 0."""
    if fields.uint(0, _U16) != VERSION:
        raise ProtocolError("message of another version")


_E = TypeVar("_E", bound=IntEnum)


def enum_field(kind: type[_E], fields: MapReader, key: int) -> _E:
    """Raises ProtocolError for a value that `kind` does not have."""
    try:
        return kind(fields.uint(key, _U16))
    except ValueError:
        raise ProtocolError(f"field {key} has an unknown value") from None
