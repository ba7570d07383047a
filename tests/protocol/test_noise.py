from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol.agent_auth import public_bytes
from protocol.errors import ProtocolError
from protocol.noise import (
    IKPSK1,
    KKPSK0,
    MAX_NONCE,
    CipherState,
    Handshake,
    HandshakeKeys,
    Pattern,
    SymmetricState,
)
from tests.protocol.low_order import LOW_ORDER_POINTS
from tests.protocol.noise_patterns import pattern

INITIATOR = X25519PrivateKey.from_private_bytes(b"\x11" * 32)
RESPONDER = X25519PrivateKey.from_private_bytes(b"\x22" * 32)
PSK = b"\x33" * 32
PROLOGUE = b"prologue"
PRODUCT = pytest.mark.parametrize("value", [KKPSK0, IKPSK1], ids=lambda value: value.name)


def initiator(value: Pattern, remote: bytes | None = None) -> Handshake:
    remote = remote or public_bytes(RESPONDER)
    return Handshake(value, True, PROLOGUE, HandshakeKeys(INITIATOR, remote, PSK))


def responder(value: Pattern, remote: bytes | None = None) -> Handshake:
    remote = remote or (public_bytes(INITIATOR) if value.initiator_known else None)
    return Handshake(value, False, PROLOGUE, HandshakeKeys(RESPONDER, remote, PSK))


@PRODUCT
def test_both_sides_end_with_the_same_hash_and_crossed_ciphers(value: Pattern) -> None:
    one, other = initiator(value), responder(value)
    assert other.read(one.write(b"first")) == b"first"
    assert not one.finished
    assert one.read(other.write(b"second")) == b"second"
    assert one.finished
    assert other.finished
    assert one.handshake_hash == other.handshake_hash
    assert other.remote_static == public_bytes(INITIATOR)
    (send, receive), (other_send, other_receive) = one.split(), other.split()
    for text in (b"", b"a", b"b" * 1000):
        assert other_receive.decrypt(b"ad", send.encrypt(b"ad", text)) == text
        assert receive.decrypt(b"", other_send.encrypt(b"", text)) == text


@PRODUCT
def test_turns_are_kept(value: Pattern) -> None:
    one, other = initiator(value), responder(value)
    for wrong in (lambda: one.read(bytes(200)), lambda: other.write(b""), one.split, other.split):
        with pytest.raises(RuntimeError):
            wrong()
    first = one.write(b"")
    with pytest.raises(RuntimeError):
        one.write(b"")
    other.read(first)
    with pytest.raises(RuntimeError):
        other.read(first)
    one.read(other.write(b""))
    for finished in (one, other):
        with pytest.raises(RuntimeError):
            finished.write(b"")
        with pytest.raises(RuntimeError):
            finished.read(bytes(200))


def changes(message: bytes) -> list[bytes]:
    """Every truncation, every single bit flipped, and one byte more."""
    number, length = int.from_bytes(message, "big"), len(message)
    return [
        *(message[:end] for end in range(length)),
        *((number ^ (1 << bit)).to_bytes(length, "big") for bit in range(8 * length)),
        message + b"\0",
    ]


@PRODUCT
def test_any_change_of_message_one_is_refused_and_the_handshake_is_void(value: Pattern) -> None:
    for changed in changes(initiator(value).write(b"payload")):
        other = responder(value)
        with pytest.raises(ProtocolError):
            other.read(changed)
        with pytest.raises(RuntimeError):
            other.write(b"")
        with pytest.raises(RuntimeError):
            other.read(changed)


@PRODUCT
def test_any_change_of_message_two_is_refused_and_the_handshake_is_void(value: Pattern) -> None:
    one, other = initiator(value), responder(value)
    first = one.write(b"")
    other.read(first)
    for changed in changes(other.write(b"payload")):
        one = initiator(value)
        one.write(b"")
        with pytest.raises(ProtocolError):
            one.read(changed)
        assert not one.finished
        with pytest.raises(RuntimeError):
            one.split()


@PRODUCT
@given(data=st.binary(max_size=120))
def test_any_bytes_are_refused(value: Pattern, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        responder(value).read(data)


@pytest.mark.parametrize(
    ("value", "difference"),
    [
        *((KKPSK0, what) for what in ("prologue", "psk", "static", "remote static", "pattern")),
        *((IKPSK1, what) for what in ("prologue", "psk", "static", "pattern")),
    ],
    ids=lambda part: part.name if isinstance(part, Pattern) else part,
)
def test_any_difference_in_what_the_sides_know_is_refused(value: Pattern, difference: str) -> None:
    stranger = X25519PrivateKey.generate()
    renamed = replace(value, name="another")
    other = Handshake(
        renamed if difference == "pattern" else value,
        False,
        b"another" if difference == "prologue" else PROLOGUE,
        HandshakeKeys(
            stranger if difference == "static" else RESPONDER,
            public_bytes(stranger if difference == "remote static" else INITIATOR),
            bytes(32) if difference == "psk" else PSK,
        ),
    )
    with pytest.raises(ProtocolError):
        other.read(initiator(value).write(b""))


@PRODUCT
@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[-8:])
def test_low_order_points_are_refused_wherever_they_come(value: Pattern, point: bytes) -> None:
    with pytest.raises(ProtocolError, match="low-order"):
        initiator(value, remote=point).write(b"")
    with pytest.raises(ProtocolError, match="low-order"):
        responder(value).read(point + bytes(100))
    one = initiator(value)
    one.write(b"")
    with pytest.raises(ProtocolError, match="low-order"):
        one.read(point + bytes(100))


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[-8:])
def test_a_low_order_static_key_is_refused(point: bytes) -> None:
    """Known before (KK), or learned from a message that is right in all else (IK)."""
    with pytest.raises(ProtocolError, match="low-order"):
        responder(KKPSK0, remote=point).read(initiator(KKPSK0).write(b""))
    ephemeral = X25519PrivateKey.generate()
    state = SymmetricState(IKPSK1.protocol_name)
    state.mix_hash(PROLOGUE)
    state.mix_hash(public_bytes(RESPONDER))
    state.mix_hash(public_bytes(ephemeral))
    state.mix_key(public_bytes(ephemeral))
    state.mix_key(ephemeral.exchange(RESPONDER.public_key()))
    message = public_bytes(ephemeral) + state.encrypt_and_hash(point) + bytes(16)
    with pytest.raises(ProtocolError, match="low-order"):
        responder(IKPSK1).read(message)


@PRODUCT
@pytest.mark.parametrize("psk", [None, b"", bytes(31), bytes(33)])
def test_a_psk_pattern_wants_32_bytes(value: Pattern, psk: bytes | None) -> None:
    with pytest.raises(ValueError, match="32 byte psk"):
        Handshake(value, True, b"", HandshakeKeys(INITIATOR, public_bytes(RESPONDER), psk))


def test_a_known_static_key_must_be_given() -> None:
    with pytest.raises(ValueError, match="static key"):
        Handshake(KKPSK0, True, b"", HandshakeKeys(INITIATOR, None, PSK))


def test_the_peers_static_key_is_unknown_before_it_comes() -> None:
    with pytest.raises(ValueError, match="static key"):
        _ = responder(IKPSK1).remote_static


def test_nonces_differ_and_a_failure_uses_none() -> None:
    send, receive = CipherState(PSK), CipherState(PSK)
    frames = [send.encrypt(b"", b"same") for _ in range(3)]
    assert len(set(frames)) == 3
    for frame in frames:
        for wrong in (
            b"",
            frame[:15],
            frame[:-1],
            bytes(len(frame)),
            frames[(frames.index(frame) + 1) % 3],
        ):
            with pytest.raises(ProtocolError):
                receive.decrypt(b"", wrong)
        assert receive.decrypt(b"", frame) == b"same"


def test_associated_data_is_bound() -> None:
    with pytest.raises(ProtocolError):
        CipherState(PSK).decrypt(b"two", CipherState(PSK).encrypt(b"one", b"text"))


def test_the_last_nonce_is_never_used() -> None:
    assert MAX_NONCE == 0xFFFFFFFFFFFFFFFF
    state = CipherState(PSK)
    state._nonce = MAX_NONCE - 1
    frame = state.encrypt(b"", b"text")
    for use in (lambda: state.encrypt(b"", b"text"), lambda: state.decrypt(b"", frame)):
        with pytest.raises(ProtocolError, match="used up"):
            use()


def test_without_a_key_bytes_pass_in_clear() -> None:
    state = CipherState()
    assert not state.has_key
    assert state.encrypt(b"", b"text") == state.decrypt(b"", b"text") == b"text"


def test_a_static_key_sent_before_any_key_is_in_clear() -> None:
    value = pattern("IN")
    assert value is not None
    message = initiator(value).write(b"payload")
    assert message.endswith(public_bytes(INITIATOR) + b"payload")
    other = responder(value)
    assert other.read(message) == b"payload"
    assert other.remote_static == public_bytes(INITIATOR)


def test_a_message_in_clear_may_end_with_a_key_and_not_within_one() -> None:
    value = pattern("IN")
    assert value is not None
    message = initiator(value).write(b"")
    assert len(message) == 64
    assert responder(value).read(message) == b""
    for end in (0, 31, 32, 63):
        with pytest.raises(ProtocolError, match="too short"):
            responder(value).read(message[:end])
