import dataclasses
from collections.abc import Callable
from enum import IntEnum

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import signon_messages
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.signon_messages import (
    Confirm,
    Context,
    Decision,
    H1Payload,
    Receipt,
    Role,
    SignOnOutcome,
    UserVerification,
    Verdict,
    pad,
    unpad,
)

# ---- the tables of SPEC section 4 ----------------------------------------------------------------

ENUMS: dict[type[IntEnum], dict[str, int]] = {
    Verdict: {"APPROVE": 1, "DENY": 2, "REPORT": 3},
    UserVerification: {"NONE": 0, "PRESENCE": 1, "PIN": 2, "BIOMETRIC": 3},
    Role: {"OWNER": 1, "APPROVER": 2},
    SignOnOutcome: {
        "SIGNED_ON": 1,
        "REFUSED": 2,
        "AWAITING_APPROVER": 3,
        "TOO_LATE": 4,
        "DISABLED": 5,
    },
}
MODES = {mode.value for mode in Mode}


def test_the_table_covers_every_enum_of_the_module() -> None:
    defined = {
        value
        for value in vars(signon_messages).values()
        if isinstance(value, type) and issubclass(value, IntEnum) and value not in (IntEnum, Mode)
    }
    assert defined == set(ENUMS)


@pytest.mark.parametrize("kind", ENUMS)
def test_every_member_has_its_number(kind: type[IntEnum]) -> None:
    assert {member.name: member.value for member in kind} == ENUMS[kind]


NO_INTEGERS = (-1, True, None, "1", b"1", (), {0: 1})
NO_BYTES = (None, 1, "a" * 32, ())
NO_TEXT = (None, 1, b"a", ("a",))


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a map: its name in the class, values to be taken, values to be refused."""

    name: str
    good: tuple[object, ...]
    bad: tuple[object, ...]
    optional: bool = False
    """Left out when it is empty."""


def uint(name: str, bits: int) -> Field:
    return Field(name, (0, 1, 2**bits - 1), (*NO_INTEGERS, *((2**bits,) if bits < 64 else ())))


def binary(name: str, length: int) -> Field:
    return Field(
        name,
        (bytes(length), b"\xff" * length),
        (b"", bytes(length - 1), bytes(length + 1), *NO_BYTES),
    )


def text(name: str, maximum: int) -> Field:
    return Field(
        name,
        ("", "a" * maximum, "é" * (maximum // 2), "naïve"),
        ("a" * (maximum + 1), "é" * (maximum // 2 + 1), *NO_TEXT),
    )


def enum(name: str, values: set[int]) -> Field:
    unknown = set(range(300)) - values
    return Field(name, tuple(sorted(values)), (*NO_INTEGERS, *unknown, 0xFFFF, 0x10000))


def enum_of(name: str, kind: type[IntEnum]) -> Field:
    return enum(name, set(ENUMS[kind].values()))


@dataclasses.dataclass(frozen=True)
class Table:
    """One message: its class, the length of its plaintext, its fields from key 1 on."""

    message: type[Context] | type[Decision] | type[Receipt] | type[Confirm]
    length: int
    fields: tuple[Field, ...]

    def map(self, **changes: object) -> dict[int, object]:
        """A good map, with some values changed by name; "version" is key 0."""
        values: dict[int, object] = {0: changes.get("version", 1)}
        for key, field in enumerate(self.fields, start=1):
            value = changes.get(field.name, field.good[0])
            if value != "" or not field.optional:
                values[key] = value
        return values

    def decode(self, fields: dict[int, object]) -> object:
        return self.message.decode(pad(fields, self.length))


TABLES = (
    Table(
        Context,
        1536,
        (
            binary("sign_on_id", 8),
            binary("agent_random", 32),
            text("user", 64),
            text("host", 128),
            text("service", 32),
            text("remote_address", 64),
            text("remote_name", 128),
            text("tty", 32),
            uint("agent_time", 64),
            text("first_factor", 32),
            uint("seconds_left", 16),
            enum("mode", MODES),
            enum_of("role", Role),
            text("note", 640),
            uint("last_success", 64),
            uint("failures", 16),
            dataclasses.replace(text("alert", 160), optional=True),
        ),
    ),
    Table(
        Decision,
        256,
        (
            binary("sign_on_id", 8),
            enum_of("verdict", Verdict),
            binary("context_hash", 32),
            binary("validator_random", 32),
            enum_of("user_verification", UserVerification),
            text("passcode", 16),
            text("reason", 64),
        ),
    ),
    Table(
        Receipt,
        256,
        (
            binary("sign_on_id", 8),
            enum_of("outcome", SignOnOutcome),
            uint("next_generation", 32),
            text("text", 128),
        ),
    ),
    Table(Confirm, 256, (binary("sign_on_id", 8),)),
)
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.message.__name__)


@each_table
def test_the_tables_cover_every_field(table: Table) -> None:
    assert [f.name for f in dataclasses.fields(table.message)] == [f.name for f in table.fields]


@each_table
def test_every_good_value_goes_both_ways(table: Table) -> None:
    for field in table.fields:
        for value in field.good:
            fields = table.map(**{field.name: value})
            message = table.decode(fields)
            assert getattr(message, field.name) == value
            assert message.encode() == pad(fields, table.length)  # type: ignore[attr-defined]


@each_table
def test_every_bad_value_is_refused(table: Table) -> None:
    for field in table.fields:
        for value in field.bad:
            with pytest.raises(ProtocolError):
                table.decode(table.map(**{field.name: value}))


@each_table
def test_every_field_is_required(table: Table) -> None:
    for key in table.map():
        fields = table.map()
        del fields[key]
        with pytest.raises(ProtocolError):
            table.decode(fields)


def test_an_alert_may_be_missing_or_empty() -> None:
    table = TABLES[0]
    assert 17 not in table.map()
    assert table.decode(table.map() | {17: ""}) == table.decode(table.map())


@each_table
@pytest.mark.parametrize("version", [0, 2, 0xFFFF, *NO_INTEGERS])
def test_another_version_is_refused(table: Table, version: object) -> None:
    with pytest.raises(ProtocolError):
        table.decode(table.map(version=version))


@each_table
def test_unknown_keys_are_ignored(table: Table) -> None:
    more = table.map() | {100: "later", 101: (1, 2), 102: {0: b""}}
    assert table.decode(more) == table.decode(table.map())


@each_table
def test_the_longest_message_fits_its_padding(table: Table) -> None:
    longest = {
        field.name: max(field.good, key=lambda v: len(msgpack.packb(v))) for field in table.fields
    }
    assert len(pad(table.map(**longest), table.length)) == table.length


def built(message: type, **changes: object) -> object:
    """A message made in Python, with texts that are too long, and unsafe."""
    values = {
        field.name: "\u202e" + "x" * 2000
        if isinstance(field.good[0], str) and field.name != "passcode"
        else field.good[0]
        for table in TABLES
        if table.message is message
        for field in table.fields
    }
    return message(**values | changes)


@each_table
def test_texts_are_cleaned_and_cut_before_they_are_sent(table: Table) -> None:
    modes = {"mode": Mode.PASSCODE} if table.message is Context else {}
    message = built(table.message, **modes)
    again = table.message.decode(message.encode())  # type: ignore[attr-defined]
    for field in table.fields:
        value = getattr(again, field.name)
        if isinstance(value, str) and field.name != "passcode":
            longest = max(len(str(good).encode()) for good in field.good)
            assert value == "x" * (longest - 3) + "…"


@each_table
def test_texts_are_cleaned_again_when_they_come(table: Table) -> None:
    for field in table.fields:
        if isinstance(field.good[0], str):
            message = table.decode(table.map(**{field.name: "a\u202eb\nc"}))
            cleaned = getattr(message, field.name)
            assert cleaned == ("a\u202eb\nc" if field.name == "passcode" else "abc")


def test_a_passcode_is_compared_as_it_comes() -> None:
    """It is not shown, only compared: cleaning it would make two different ones equal."""
    decoded = TABLES[1].decode(TABLES[1].map(passcode="4921\u200b7734"))
    assert isinstance(decoded, Decision)
    assert decoded.passcode != "49217734"


# ---- padding -------------------------------------------------------------------------------------


def test_padding_is_a_length_the_map_and_zeros() -> None:
    assert pad({0: 1}, 8) == b"\x00\x03\x81\x00\x01\x00\x00\x00"
    assert unpad(b"\x00\x03\x81\x00\x01\x00\x00\x00", 8).uint(0, 1) == 1


@given(st.dictionaries(st.integers(0, 127), st.binary(max_size=20), max_size=5))
def test_what_is_padded_comes_back(fields: dict[int, bytes]) -> None:
    fields = dict(sorted(fields.items()))
    reader = unpad(pad(fields, 200), 200)
    assert all(reader.binary(key, len(value)) == value for key, value in fields.items())


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"\x00\x03\x81\x00\x01\x00\x00",
        b"\x00\x03\x81\x00\x01\x00\x00\x00\x00",
        b"\x00\x03\x81\x00\x01\x00\x00\x01",
        b"\x00\x03\x81\x00\x01\x01\x00\x00",
        b"\x00\x04\x81\x00\x01\x00\x00\x00",
        b"\x00\x02\x81\x00\x01\x00\x00\x00",
        b"\x00\x00\x81\x00\x01\x00\x00\x00",
        b"\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x00\x07\x81\x00\x01\x00\x00\x00",
        b"\xff\xff\x81\x00\x01\x00\x00\x00",
    ],
)
def test_refused_padding(plaintext: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpad(plaintext, 8)


def test_a_map_may_fill_its_padding_and_no_more() -> None:
    assert pad({0: bytes(2)}, 8) == b"\x00\x06\x81\x00\xc4\x02\x00\x00"
    assert unpad(pad({0: bytes(2)}, 8), 8).binary(0, 2) == bytes(2)
    with pytest.raises(ValueError, match="does not fit"):
        pad({0: bytes(3)}, 8)


# ---- any bytes -----------------------------------------------------------------------------------


def decoded_or_refused(decode: Callable[[bytes], object], plaintext: bytes) -> None:
    try:
        message = decode(plaintext)
    except ProtocolError:
        return
    again = decode(message.encode())  # type: ignore[attr-defined]
    assert again == message


@each_table
@given(body=st.binary(max_size=200))
def test_any_plaintext_gives_a_message_or_the_error(table: Table, body: bytes) -> None:
    decoded_or_refused(table.message.decode, body)
    framed = (len(body).to_bytes(2, "big") + body).ljust(table.length, b"\0")
    decoded_or_refused(table.message.decode, framed)


@each_table
@given(data=st.data())
def test_any_change_of_a_good_plaintext_gives_a_message_or_the_error(
    table: Table, data: st.DataObject
) -> None:
    plaintext = bytearray(pad(table.map(), table.length))
    for _ in range(data.draw(st.integers(1, 3))):
        plaintext[data.draw(st.integers(0, 120))] = data.draw(st.integers(0, 255))
    decoded_or_refused(table.message.decode, bytes(plaintext))


@each_table
@pytest.mark.parametrize("change", [-1, 1])
def test_another_length_is_refused(table: Table, change: int) -> None:
    plaintext = pad(table.map(), table.length)
    with pytest.raises(ProtocolError):
        table.message.decode((plaintext + b"\0")[: table.length + change])


# ---- H1's payload --------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))
def test_h1_payload_comes_back(generation: int, caps: int, app_version: int) -> None:
    payload = H1Payload(generation, caps, app_version)
    assert len(payload.encode()) == 16
    assert H1Payload.decode(payload.encode()) == payload


def test_h1_payload_has_its_fields_in_order() -> None:
    assert H1Payload(0x01020304, 0x0506, 0x0708).encode() == bytes((*range(1, 9), *bytes(8)))


@given(st.binary(max_size=20))
def test_any_h1_payload_gives_a_message_or_the_error(data: bytes) -> None:
    good = len(data) == 16 and data[8:] == bytes(8)
    try:
        assert H1Payload.decode(data).encode() == data
    except ProtocolError:
        assert not good


@pytest.mark.parametrize(
    "data", [b"", bytes(15), bytes(17), bytes(15) + b"\1", bytes(8) + b"\1" + bytes(7)]
)
def test_refused_h1_payloads(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        H1Payload.decode(data)
