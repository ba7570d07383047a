from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.enrolment import EnrolAnswer, EnrolledKeys, Offer
from protocol.ratchet import Generation
from tests.validator.pairs import record
from validator.pin import Pad, Pin
from validator.record import DIGEST_LENGTH, MAX_RECORD, DamagedError, Record, State, _digest

RECORD = record(
    relays=("relay1.example.net:4817", "[2001:db8::1]:4817"), last_used=5, ticket_counter=7
)
PAD = Pad(b"s" * 16, b"p" * 32)
UNDER_PIN = replace(RECORD, pin_salt=PAD.salt)


def sealed(fields: dict[int, object]) -> bytes:
    body = canonical.encode(fields)
    return body + _digest(body)


def fields_of(data: bytes) -> dict[int, object]:
    return canonical.decode_map(data[:-DIGEST_LENGTH])


@pytest.mark.parametrize("pad", [None, PAD])
def test_what_an_enrolment_makes(pad: Pad | None):
    static = X25519PrivateKey.generate()
    offer = Offer(b"a" * 32, b"e" * 32, 99, 7, ("relay1.example.net:4817",), "web1")
    answer = EnrolAnswer("web1", "alice", b"r" * 32)
    new = Record.enrolled(
        offer, static, answer, EnrolledKeys(b"k" * 32, b"0" * 32, "123456"), "laptop", 50, pad
    )
    assert (new.host, new.user, new.state, new.enrolled_at) == ("web1", "alice", State.UNPROVED, 50)
    assert (new.ratchet_root, new.under_pin) == (b"0" * 32, pad is not None)
    assert (b"0" * 32 in new.encode()) is (pad is None)
    assert Record.decode(new.encode()).record_id == new.record_id


def test_a_record_survives_its_file():
    assert Record.decode(RECORD.encode()) == RECORD


def test_the_largest_record_fits():
    largest = record(
        host="h" * 128,
        user="u" * 64,
        device="d" * 64,
        relays=("r" * 96,) * 4,
        last_used=2**63,
        ticket_counter=2**32 - 1,
        pin_salt=b"s" * 16,
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


@pytest.mark.parametrize("number", range(16))
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
        Record.decode(sealed(fields_of(RECORD.encode()) | {0: 3}))


def first_version(newer: Record) -> dict[int, object]:
    """As the program wrote it before there were PINs and tickets."""
    fields = fields_of(newer.encode())
    return {0: 1} | {number: fields[number] for number in range(1, 14)}


def test_a_record_of_the_first_version_is_read_and_written_anew():
    old = Record.decode(sealed(first_version(RECORD)))
    assert old == replace(RECORD, ticket_counter=0)
    assert not old.under_pin
    assert Record.decode(old.encode()) == old
    assert fields_of(old.encode())[0] == 2


@pytest.mark.parametrize("version", [1, 2])
def test_more_than_a_record_is_refused(version: int):
    fields = first_version(RECORD) if version == 1 else fields_of(RECORD.encode())
    with pytest.raises(DamagedError, match="more than a record"):
        Record.decode(sealed(fields | {max(fields) + 1: 1}))


@pytest.mark.parametrize("salt", [b"s" * 15, b"s" * 17, b"s"])
def test_a_salt_is_whole_or_none(salt: bytes):
    with pytest.raises(DamagedError):
        Record.decode(sealed(fields_of(RECORD.encode()) | {15: salt}))


def test_under_a_pin_the_root_is_hidden_and_comes_back_with_the_pad():
    hidden = replace(RECORD, pin_salt=PAD.salt, pad=PAD)
    assert RECORD.generation.root not in hidden.encode()
    stored = Record.decode(hidden.encode())
    assert stored.under_pin
    assert stored.generation.root != RECORD.generation.root
    assert stored.unlocked(PAD) == hidden
    assert stored.unlocked(PAD).ratchet_root == RECORD.generation.root
    assert stored.unlocked(PAD).device_keys.generation == RECORD.generation


def test_a_record_that_is_written_without_its_pin_keeps_it():
    stored = Record.decode(replace(RECORD, pin_salt=PAD.salt, pad=PAD).encode())
    again = Record.decode(replace(stored, ticket_counter=8).disabled().encode())
    assert again.unlocked(PAD).ratchet_root == RECORD.generation.root


def test_the_next_root_is_under_the_same_pad():
    hidden = replace(RECORD, pin_salt=PAD.salt, pad=PAD)
    following = Generation(1, b"n" * 32)
    stored = Record.decode(hidden.advanced(following, 99).encode())
    assert stored.unlocked(PAD).generation == following


def test_without_its_pad_no_root_is_given():
    stored = Record.decode(UNDER_PIN.encode())
    with pytest.raises(RuntimeError):
        _ = stored.ratchet_root
    with pytest.raises(RuntimeError):
        _ = stored.device_keys


def test_a_pad_unlocks_its_own_record_once():
    with pytest.raises(RuntimeError):
        UNDER_PIN.unlocked(Pad(b"t" * 16, PAD.value))
    with pytest.raises(RuntimeError):
        RECORD.unlocked(PAD)
    with pytest.raises(RuntimeError):
        UNDER_PIN.unlocked(PAD).unlocked(PAD)


def test_one_root_is_never_under_two_pads():
    unlocked = UNDER_PIN.unlocked(PAD)
    other = Pad(b"t" * 16, b"q" * 32)
    for pad in (other, None):
        with pytest.raises(RuntimeError):
            unlocked.under(pad, unlocked)
    following = unlocked.advanced(Generation(1, b"n" * 32), None)
    assert Record.decode(following.under(other, unlocked).encode()).unlocked(
        other
    ).ratchet_root == bytes(b"n" * 32)
    bare = Record.decode(following.under(None, unlocked).encode())
    assert (bare.under_pin, bare.ratchet_root) == (False, b"n" * 32)


def test_a_pin_and_its_pad_are_not_in_repr():
    unlocked = UNDER_PIN.unlocked(PAD)
    shown = repr(unlocked) + repr(PAD) + repr(Pin("135246"))
    assert "ppp" not in shown
    assert "135246" not in shown


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
    assert advanced == replace(RECORD, generation=following, ticket_counter=0)
    assert RECORD.generation.root not in advanced.encode()


def test_a_success_proves_the_enrolment_and_is_the_last_use():
    unproved = replace(RECORD, state=State.UNPROVED)
    advanced = unproved.advanced(Generation(1, b"n" * 32), 1234)
    assert (advanced.state, advanced.last_used) == (State.ACTIVE, 1234)
    assert unproved.advanced(Generation(1, b"n" * 32), None).state is State.UNPROVED
    assert unproved.advanced(Generation(1, b"n" * 32), -5).last_used == 0


def test_tickets_are_counted_in_their_generation():
    assert RECORD.ticketed().ticket_counter == RECORD.ticket_counter + 1
    assert RECORD.ticketed().advanced(Generation(1, b"n" * 32), None).ticket_counter == 0


def test_disabling_keeps_the_record():
    assert RECORD.disabled() == replace(RECORD, state=State.DISABLED)
