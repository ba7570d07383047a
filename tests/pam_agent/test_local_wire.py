from dataclasses import fields

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pam_agent.local_wire import (
    FROM_AGENT,
    FROM_MODULE,
    MAX_PAYLOAD,
    RecordReader,
    RecordType,
    Result,
    SecretPart,
    Start,
    encode_record,
)
from protocol.errors import ProtocolError
from tests.protocol.feeding import END, fed, single_bytes

LETTERS = {
    "START": "S",
    "ANSWER": "A",
    "FAILED": "F",
    "INFO": "I",
    "ERROR": "E",
    "PROMPT": "P",
    "SECRET": "K",
    "RESULT": "R",
}
RESULTS = {
    "APPROVED": "Y",
    "DENIED": "N",
    "UNAVAILABLE": "U",
    "CONVERSATION_FAILED": "C",
    "FAILED": "X",
    "IGNORED": "I",
}
SIDES = (FROM_MODULE, FROM_AGENT)


def test_every_letter_is_known_here() -> None:
    assert {kind.name: chr(kind) for kind in RecordType} == LETTERS
    assert {result.name: chr(result) for result in Result} == RESULTS
    assert {part.name: chr(part) for part in SecretPart} == {"WHOLE": "W", "TAIL": "T"}
    assert frozenset(RecordType) == FROM_MODULE | FROM_AGENT
    assert not FROM_MODULE & FROM_AGENT


# ---- records -------------------------------------------------------------------------------------


def read_all(
    data: bytes, allowed: frozenset[RecordType], pieces: list[bytes] | None = None
) -> list[object]:
    reader = RecordReader(allowed)
    return fed(reader.feed, reader.next_record, [data] if pieces is None else pieces)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(FROM_AGENT)), st.binary(max_size=300)), max_size=5)
)
def test_records_come_back(records: list[tuple[RecordType, bytes]]) -> None:
    stream = b"".join(encode_record(kind, payload) for kind, payload in records)
    assert read_all(stream, FROM_AGENT) == records


ANY_STREAM = st.binary(max_size=200) | st.lists(
    st.tuples(st.sampled_from(sorted(RecordType)), st.binary(max_size=20)), max_size=4
).map(lambda records: b"".join(encode_record(kind, payload) for kind, payload in records))


@pytest.mark.parametrize("allowed", SIDES, ids=("from the module", "from the agent"))
@given(data=ANY_STREAM)
def test_any_stream_gives_the_same_whole_and_byte_by_byte(
    allowed: frozenset[RecordType], data: bytes
) -> None:
    assert read_all(data, allowed) == read_all(data, allowed, single_bytes(data))


@pytest.mark.parametrize("allowed", SIDES, ids=("from the module", "from the agent"))
def test_every_first_byte(allowed: frozenset[RecordType]) -> None:
    for letter in range(256):
        said = read_all(bytes((letter, 0, 0)), allowed)
        assert said == ([(RecordType(letter), b"")] if letter in allowed else [END])


def test_a_payload_may_be_as_long_as_the_limit_and_no_longer() -> None:
    longest = encode_record(RecordType.PROMPT, bytes(MAX_PAYLOAD))
    assert read_all(longest, FROM_AGENT) == [(RecordType.PROMPT, bytes(MAX_PAYLOAD))]
    with pytest.raises(ValueError, match="too long"):
        encode_record(RecordType.PROMPT, bytes(MAX_PAYLOAD + 1))


@pytest.mark.parametrize("header", [b"P\x10\x01", b"P\xff\xff"])
def test_a_bad_length_is_refused_before_its_payload_comes(header: bytes) -> None:
    assert read_all(header, FROM_AGENT) == [END]


def test_an_unknown_letter_is_refused_before_its_length_comes() -> None:
    assert read_all(b"S", FROM_AGENT) == [END]


def test_a_record_that_is_cut_gives_nothing() -> None:
    record = encode_record(RecordType.ANSWER, b"12")
    for end in range(len(record)):
        assert read_all(record[:end], FROM_MODULE) == []


# ---- start ---------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
NAME = TEXT.filter(bool)
STARTS = st.builds(
    Start,
    service=NAME,
    user=NAME,
    ruser=TEXT,
    rhost=TEXT,
    tty=TEXT,
    first_factor=TEXT,
    note=TEXT,
    directory=TEXT,
)
FULL = Start("sshd", "anna", "root", "192.0.2.7", "/dev/pts/3", "publickey", "sudo -i", "/srv")


@given(STARTS)
def test_start_comes_back(start: Start) -> None:
    assert Start.decode(start.encode()) == start


def one(number: int, value: bytes) -> bytes:
    return bytes((number,)) + len(value).to_bytes(2, "big") + value


SERVICE, USER = one(1, b"sshd"), one(2, b"anna")


def test_the_field_ids_are_in_the_order_of_the_record() -> None:
    assert FULL.encode() == b"\x01" + b"".join(
        one(number, getattr(FULL, field.name).encode())
        for number, field in enumerate(fields(Start), start=1)
    )
    assert len(fields(Start)) == 8


def test_the_fields_may_come_in_any_order() -> None:
    assert Start.decode(b"\x01" + one(7, b"ls") + USER + SERVICE) == Start(
        "sshd", "anna", note="ls"
    )


@given(st.binary(max_size=60))
@example(b"")
@example(b"\x01\x01\x00")
@example(b"\x01" + SERVICE + USER + b"\x03")
def test_any_bytes_give_a_start_or_the_error(payload: bytes) -> None:
    try:
        start = Start.decode(payload)
    except ProtocolError:
        return
    assert start.service
    assert start.user


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01",
        b"\x02" + SERVICE + USER,
        b"\x00" + SERVICE + USER,
        b"\x01" + SERVICE,
        b"\x01" + USER,
        b"\x01" + SERVICE + USER + USER,
        b"\x01" + SERVICE + one(2, b""),
        b"\x01" + one(1, b"") + USER,
        b"\x01" + SERVICE + USER + one(0, b"a"),
        b"\x01" + SERVICE + USER + one(9, b"a"),
        b"\x01" + SERVICE + one(2, b"an\0na"),
        b"\x01" + SERVICE + one(2, bytes(257).replace(b"\0", b"a")),
        b"\x01" + SERVICE + USER + one(7, b"a" * 1025),
        b"\x01" + SERVICE + USER + one(8, b"a" * 257),
    ],
)
def test_refused_starts(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        Start.decode(payload)


def test_fields_may_be_as_long_as_their_limit() -> None:
    start = Start("s", "u" * 256, note="n" * 1024)
    assert Start.decode(start.encode()) == start


def test_every_truncation_lacks_something() -> None:
    """Cut within a field it is malformed; cut between two it is another, shorter record."""
    payload = FULL.encode()
    boundaries = {0, 1}
    while max(boundaries) < len(payload):
        at = max(boundaries)
        boundaries.add(at + 3 + int.from_bytes(payload[at + 1 : at + 3], "big"))
    required = sorted(boundaries)[3]
    for end in range(len(payload)):
        if end in boundaries and end >= required:
            Start.decode(payload[:end])
        else:
            with pytest.raises(ProtocolError):
                Start.decode(payload[:end])


def test_text_that_is_no_utf8_is_shown_as_such() -> None:
    assert Start.decode(b"\x01" + SERVICE + one(2, b"an\xffna")).user == "an\ufffdna"
