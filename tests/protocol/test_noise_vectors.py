"""The engine against published vectors. The terminal summary tells how many ran.

The public sets differ in their habits, and each is met as it is:
- snow gives `init_psks` as an empty list for patterns without a psk, cacophony gives none at all;
- snow gives `resp_ephemeral` for one-way patterns, whose responder has none;
- snow gives no `handshake_hash`; where cacophony gives one, both sides must have it;
- in a one-way pattern all transport messages come from the initiator, else the sides take turns;
- with several psk modifiers (snow) each has its own psk, so it is changed between messages.
"""

import os
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.noise import Handshake, HandshakeKeys, Pattern
from tests.protocol.noise_patterns import one_way
from tests.protocol.noise_vectors import (
    LEFT_OUT,
    RUN,
    VECTORS_FILE,
    Vector,
    name_of,
    of_our_suite,
    pattern_of,
    two_psks_in_a_message,
)


def side(
    vector: Vector, who: str, value: Pattern, initiator: bool
) -> tuple[Handshake, HandshakeKeys]:
    """The handshake of `who` ("init" or "resp") and its keys; a missing key of its own is random,
    and must not matter."""

    def private(name: str) -> X25519PrivateKey:
        if (text := vector.get(f"{who}_{name}")) is None:
            return X25519PrivateKey.generate()
        return X25519PrivateKey.from_private_bytes(bytes.fromhex(text))

    remote = vector.get(f"{who}_remote_static")
    keys = HandshakeKeys(
        static=private("static"),
        remote_static=None if remote is None else bytes.fromhex(remote),
        psk=None,
        ephemeral=private("ephemeral"),
    )
    prologue = bytes.fromhex(vector[f"{who}_prologue"])
    if value.has_psk:
        keys.psk = bytes.fromhex(vector[f"{who}_psks"][0])
    return Handshake(value, initiator, prologue, keys), keys


@pytest.mark.parametrize("vector", RUN, ids=name_of)
def test_vector(vector: Vector) -> None:
    value = pattern_of(vector)
    assert value is not None
    modifiers = value.name.count("psk")
    assert len(vector.get("init_psks") or ()) == len(vector.get("resp_psks") or ()) == modifiers
    initiator, initiator_keys = side(vector, "init", value, True)
    responder, responder_keys = side(vector, "resp", value, False)
    messages = [
        (bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]
    ]
    handshake, transport = messages[: len(value.messages)], messages[len(value.messages) :]

    psk_index = count()
    for step, (payload, ciphertext) in enumerate(handshake):
        if "psk" in value.messages[step]:
            index = next(psk_index)
            initiator_keys.psk = bytes.fromhex(vector["init_psks"][index])
            responder_keys.psk = bytes.fromhex(vector["resp_psks"][index])
        sender, receiver = (initiator, responder) if step % 2 == 0 else (responder, initiator)
        assert sender.write(payload) == ciphertext
        assert receiver.read(ciphertext) == payload

    assert initiator.finished
    assert responder.finished
    assert initiator.handshake_hash == responder.handshake_hash
    if "handshake_hash" in vector:
        assert initiator.handshake_hash.hex() == vector["handshake_hash"]

    assert transport
    initiator_sends, initiator_receives = initiator.split()
    responder_sends, responder_receives = responder.split()
    for step, (payload, ciphertext) in enumerate(transport, start=len(handshake)):
        if one_way(value) or step % 2 == 0:
            sends, receives = initiator_sends, responder_receives
        else:
            sends, receives = responder_sends, initiator_receives
        assert sends.encrypt(b"", payload) == ciphertext
        assert receives.decrypt(b"", ciphertext) == payload


def test_there_were_vectors_to_run() -> None:
    if not VECTORS_FILE and not os.environ.get("CI"):
        pytest.skip("NOISE_VECTORS names no file of vectors")
    assert VECTORS_FILE, "CI must set NOISE_VECTORS"
    assert RUN, f"no vector of {VECTORS_FILE} could be run"


def test_nothing_is_left_out_but_for_the_reasons_given() -> None:
    """Another suite, or two psks in one message. A pattern that is unknown here is to be added."""
    for vector in LEFT_OUT:
        value = pattern_of(vector)
        if of_our_suite(vector):
            assert value is not None, f"noise_patterns lacks {name_of(vector)}"
            assert two_psks_in_a_message(value)
