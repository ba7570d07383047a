from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.ratchet import Generation
from tests.validator.pairs import record
from validator.record import DIGEST_LENGTH, MAX_RECORD, DamagedError, Record, State, _digest

RECORD = record(relays=("relay1.example.net:4817", "[2001:db8::1]:4817"), last_used=5)


def sealed(fields: dict[int, object]) -> bytes:
    body = canonical.encode(fields)
    return body + _digest(body)


def fields_of(data: bytes) -> dict[int, object]:
    return canonical.decode_map(data[:-DIGEST_LENGTH])


def test_a_record_survives_its_file():
    assert Record.decode(RECORD.encode()) == RECORD


def test_the_largest_record_fits():
    largest = record(
        host="h" * 128, user="u" * 64, device="d" * 64, relays=("r" * 96,) * 4, last_used=2**63
    )
    assert len(largest.encode()) <= MAX_RECORD
    assert Record.decode(largest.encode()) == largest


def test_every_changed_byte_is_found():
    data = RECORD.encode()
    for place in range(len(data)):
        damaged = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        with pytest.raises(DamagedError):
            Record.decode(damaged)


def test_every_truncation_is_found():
    data = RECORD.encode()
    for length in range(len(data)):
        with pytest.raises(DamagedError):
            Record.decode(data[:length])


@given(st.binary(max_size=300))
def test_any_bytes_give_the_one_error(data: bytes):
    with pytest.raises(DamagedError):
        Record.decode(data)


@pytest.mark.parametrize("number", range(14))
def test_a_missing_or_wrong_field_is_found(number: int):
    fields = fields_of(RECORD.encode())
    for changed in (
        {key: value for key, value in fields.items() if key != number},
        fields | {number: None},
        fields | {number: b"\0" * 33},
        fields | {number: -1},
    ):
        with pytest.raises(DamagedError):
            Record.decode(sealed(changed))


def test_another_version_is_named_as_such():
    with pytest.raises(DamagedError, match="another version"):
        Record.decode(sealed(fields_of(RECORD.encode()) | {0: 2}))


def test_more_than_a_record_is_refused():
    with pytest.raises(DamagedError, match="more than a record"):
        Record.decode(sealed(fields_of(RECORD.encode()) | {14: 1}))


def test_no_secret_is_in_repr_or_error():
    secrets = (RECORD.static, RECORD.rendezvous_root, RECORD.generation.root)
    for secret in secrets:
        assert repr(secret)[2:-1] not in repr(RECORD)
        assert secret.hex() not in repr(RECORD)
    assert "static" not in repr(RECORD)
    assert "root=" not in repr(RECORD)


def test_the_id_comes_from_the_key_and_not_from_what_a_host_says():
    assert replace(RECORD, host="web2", user="bob").record_id == RECORD.record_id
    assert record().record_id != RECORD.record_id
    assert len(RECORD.record_id) == 16


def test_advancing_drops_the_old_root():
    following = Generation(1, b"n" * 32)
    advanced = RECORD.advanced(following, None)
    assert advanced == replace(RECORD, generation=following)
    assert RECORD.generation.root not in advanced.encode()


def test_a_success_proves_the_enrolment_and_is_the_last_use():
    unproved = replace(RECORD, state=State.UNPROVED)
    advanced = unproved.advanced(Generation(1, b"n" * 32), 1234)
    assert (advanced.state, advanced.last_used) == (State.ACTIVE, 1234)
    assert unproved.advanced(Generation(1, b"n" * 32), None).state is State.UNPROVED
    assert unproved.advanced(Generation(1, b"n" * 32), -5).last_used == 0


def test_disabling_keeps_the_record():
    assert RECORD.disabled() == replace(RECORD, state=State.DISABLED)
