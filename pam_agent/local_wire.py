"""pure. The records between the PAM module and the agent, over a Unix stream socket.

A record is `u8 type | u16 big-endian length | payload`, the payload at most 4096 bytes. The
module's half is C and does as little as possible: no crypto, no msgpack, no decisions.

    module -> agent   S  start      u8 version (1), then fields: u8 id | u16 length | bytes
                      A  answer     what the user typed at the prompt, at most 128 bytes
                      F  failed     the application's conversation failed; no payload
    agent -> module   I  info       text to show (PAM_TEXT_INFO), UTF-8, no NUL
                      E  error      text to show (PAM_ERROR_MSG)
                      P  prompt     text to show with PAM_PROMPT_ECHO_ON; A or F answers it
                      K  secret     u8 SecretPart, then text to show with PAM_PROMPT_ECHO_OFF; A
                                    or F answers it
                      R  result     one byte of Result; the last record

K asks for what the user typed as the password, and A then holds the part of it that may be a code,
at most 32 bytes, or nothing: a first factor never comes this way.

The end of the stream before R means, to the agent, that the caller is gone: the request is
cancelled; to the module it means that the agent is gone.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocol.errors import ProtocolError

VERSION: Final = 1
HEADER_LENGTH: Final = 3
MAX_PAYLOAD: Final = 4096
MAX_ANSWER: Final = 128


class RecordType(IntEnum):
    """The first byte of a record: an ASCII letter."""

    START = ord("S")
    ANSWER = ord("A")
    FAILED = ord("F")
    INFO = ord("I")
    ERROR = ord("E")
    PROMPT = ord("P")
    SECRET = ord("K")
    RESULT = ord("R")


class SecretPart(IntEnum):
    """The first byte of a secret record: how much of what is typed as password is for the agent."""

    WHOLE = ord("W")
    """All of it. The user is asked, even if a module before has a password: that is not ours."""
    TAIL = ord("T")
    """What stands behind the last comma; without a comma, nothing. The module takes the password
    that one before it has, or asks; the modules behind it find what stands before the comma."""


class Result(IntEnum):
    """How the agent ends a sign-on, and the PAM code that the module makes of it.

    Any other byte is PAM_AUTH_ERR.
    """

    APPROVED = ord("Y")
    """PAM_SUCCESS"""
    DENIED = ord("N")
    """PAM_AUTH_ERR"""
    UNAVAILABLE = ord("U")
    """PAM_AUTHINFO_UNAVAIL: no relay could queue the request; the administrator's stack decides."""
    CONVERSATION_FAILED = ord("C")
    """PAM_CONV_ERR"""
    FAILED = ord("X")
    """PAM_SYSTEM_ERR: the agent cannot do its work (disk full, damaged store)."""
    IGNORED = ord("I")
    """PAM_IGNORE: nobody asks this user to sign on here. A stack in which nothing else decides
    refuses."""


FROM_MODULE: Final = frozenset({RecordType.START, RecordType.ANSWER, RecordType.FAILED})
FROM_AGENT: Final = frozenset(
    {
        RecordType.INFO,
        RecordType.ERROR,
        RecordType.PROMPT,
        RecordType.SECRET,
        RecordType.RESULT,
    }
)

_FIELDS: Final = (
    "service",
    "user",
    "ruser",
    "rhost",
    "tty",
    "first_factor",
    "note",
    "directory",
)
"""Field ids 1 to 8 of a start record."""
_MAX_FIELD: Final = {"note": 1024}
_MAX_OTHER_FIELD: Final = 256


@dataclass(frozen=True)
class Start:
    """What PAM says of the sign-on, all of it from the caller; `service` and `user` are required.

    `first_factor` is what the stack says was done before (the methods in SSH_AUTH_INFO_0), `note`
    what is to be done (sudo's command line), `directory` where (sudo's working directory).
    """

    service: str
    user: str
    ruser: str = ""
    rhost: str = ""
    tty: str = ""
    first_factor: str = ""
    note: str = ""
    directory: str = ""

    def encode(self) -> bytes:
        """The payload of a start record (the tests' half; the module encodes its own)."""
        payload = bytes((VERSION,))
        for number, name in enumerate(_FIELDS, start=1):
            value = getattr(self, name).encode()
            if value:
                payload += bytes((number,)) + len(value).to_bytes(2, "big") + value
        return payload

    @staticmethod
    def decode(payload: bytes) -> "Start":
        """Raises ProtocolError for an unknown, repeated, missing, overlong or malformed field."""
        if payload[:1] != bytes((VERSION,)):
            raise ProtocolError("module speaks another version")
        fields: dict[str, str] = {}
        rest = payload[1:]
        while rest:
            number = rest[0]
            length = int.from_bytes(rest[1:3], "big")
            if not 1 <= number <= len(_FIELDS) or len(rest) < HEADER_LENGTH + length:
                raise ProtocolError("start record is malformed")
            name = _FIELDS[number - 1]
            if name in fields or length > _MAX_FIELD.get(name, _MAX_OTHER_FIELD):
                raise ProtocolError(f"field {name} is repeated or too long")
            value = rest[HEADER_LENGTH : HEADER_LENGTH + length]
            if b"\0" in value:
                raise ProtocolError(f"field {name} holds NUL")
            fields[name] = value.decode("utf-8", errors="replace")
            rest = rest[HEADER_LENGTH + length :]
        if not fields.get("service") or not fields.get("user"):
            raise ProtocolError("start record lacks service or user")
        return Start(**fields)


def encode_record(kind: RecordType, payload: bytes = b"") -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise ValueError("payload is too long for a record")
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload


class RecordReader:
    """Cuts a byte stream into records whose type is one of `allowed`."""

    __slots__ = ("_allowed", "_buffer")

    def __init__(self, allowed: frozenset[RecordType]) -> None:
        self._allowed = allowed
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_record(self) -> tuple[RecordType, bytes] | None:
        """The next whole record, or None when more bytes are needed. Raises ProtocolError."""
        if not self._buffer:
            return None
        if self._buffer[0] not in self._allowed:
            raise ProtocolError("record of an unknown type")
        if len(self._buffer) < HEADER_LENGTH:
            return None
        length = int.from_bytes(self._buffer[1:HEADER_LENGTH], "big")
        if length > MAX_PAYLOAD:
            raise ProtocolError("record is too long")
        end = HEADER_LENGTH + length
        if len(self._buffer) < end:
            return None
        kind, payload = RecordType(self._buffer[0]), self._buffer[HEADER_LENGTH:end]
        self._buffer = self._buffer[end:]
        return kind, payload
