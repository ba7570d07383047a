"""Every frame that is not exactly the right one is refused, and nothing else happens."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys
from protocol.errors import ActivationFailedError, ProtocolError
from protocol.keys import Mode
from protocol.limits import CONTEXT_LENGTH
from protocol.ratchet import Generation
from protocol.signon_messages import (
    Confirm,
    Decision,
    H1Payload,
    Receipt,
    SignOnOutcome,
    Verdict,
    pad,
)
from tests.protocol.joined import (
    FRAMES,
    OTHER_PASSCODE,
    STRANGER,
    Enrolment,
    Joined,
    PuppetAgent,
    PuppetValidator,
)
from tests.protocol.low_order import LOW_ORDER_POINTS


def refused(joined: Joined, name: str, frame: bytes) -> None:
    """The frame is a ProtocolError that is not counted against the device."""
    with pytest.raises(ProtocolError) as caught:
        joined.deliver(name, frame)
    assert type(caught.value) is ProtocolError


# ---- bytes changed on the way --------------------------------------------------------------------


@pytest.mark.parametrize("name", FRAMES)
def test_every_single_bit_counts(name: str) -> None:
    bits = 8 * len(Joined().run(until=name).frames[name])
    for bit in range(bits):
        joined = Joined().run(until=name)
        frame = joined.frames[name]
        changed = (int.from_bytes(frame, "big") ^ (1 << bit)).to_bytes(len(frame), "big")
        refused(joined, name, changed)


@pytest.mark.parametrize("name", FRAMES)
def test_every_length_but_the_right_one_is_refused(name: str) -> None:
    length = len(Joined().run(until=name).frames[name])
    for end in range(length):
        joined = Joined().run(until=name)
        refused(joined, name, joined.frames[name][:end])
    for extra in (b"\0", bytes(16), bytes(464)):
        joined = Joined().run(until=name)
        refused(joined, name, joined.frames[name] + extra)


@pytest.mark.parametrize("name", FRAMES)
@given(data=st.binary(max_size=300) | st.binary(min_size=80, max_size=80))
def test_any_bytes_are_refused(name: str, data: bytes) -> None:
    refused(Joined().run(until=name), name, data)


# ---- keys that differ ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"passcode": OTHER_PASSCODE},
        {"passcode": ""},
        {"mode": Mode.PUSH},
        {"mode": Mode.PROOF},
        {"rendezvous_root": bytes(32)},
    ],
    ids=str,
)
def test_what_makes_another_tag_is_refused_even_if_a_relay_pairs_it(
    other: dict[str, object],
) -> None:
    validator = Enrolment().with_(**other).validator()
    assert validator.tag != Enrolment().tag
    with pytest.raises(ProtocolError, match="m1mac") as caught:
        Enrolment().agent().receive_h1(validator.h1())
    assert type(caught.value) is ProtocolError


@pytest.mark.parametrize(
    "other",
    [
        {"generation": Generation(0, bytes(32))},
        {"generation": Generation(1, bytes(32))},
        {"device_static": STRANGER},
        {"agent_static": STRANGER},
    ],
    ids=["another root", "another generation", "another device", "another agent"],
)
def test_a_holder_of_the_rendezvous_root_with_a_wrong_key_is_counted(
    other: dict[str, object],
) -> None:
    with pytest.raises(ActivationFailedError):
        Enrolment().agent().receive_h1(Enrolment().with_(**other).validator().h1())


def test_h1_is_counted_only_when_it_opens_under_no_generation() -> None:
    older = tuple(Generation(i, bytes((i,)) * 32) for i in range(1, 9))
    h1 = Enrolment().validator().h1()
    with pytest.raises(ActivationFailedError):
        Enrolment().agent(*older).receive_h1(h1)
    Enrolment().agent(*older, Enrolment().generation).receive_h1(h1)


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[-8:])
def test_low_order_ephemerals_are_refused(point: bytes) -> None:
    enrolment = Enrolment()
    joined = Joined().run(until="CONTEXT")
    refused(joined, "CONTEXT", point + joined.frames["CONTEXT"][32:])
    message = point + bytes(32)
    mac = keys.m1mac(enrolment.rendezvous_root, enrolment.tag, message)
    with pytest.raises(ActivationFailedError):
        enrolment.agent().receive_h1(message + mac)


# ---- plaintexts of a peer that holds all keys and says something wrong ---------------------------


@pytest.mark.parametrize(
    "payload",
    [
        H1Payload(1).encode(),
        H1Payload(2**32 - 1).encode(),
        bytes(15) + b"\1",
        bytes(15),
        bytes(17),
        b"",
    ],
)
def test_h1_with_a_wrong_payload_is_refused_and_not_counted(payload: bytes) -> None:
    frame = PuppetValidator(Enrolment()).h1(payload)
    with pytest.raises(ProtocolError) as caught:
        Enrolment().agent().receive_h1(frame)
    assert type(caught.value) is ProtocolError


CONTEXT = Enrolment().context()
PADDED_GARBAGE = [b"", bytes(1536), bytes(256), b"\x00\x01\x90".ljust(256, b"\0"), b"\xff" * 256]


@pytest.mark.parametrize(
    "plaintext",
    [
        replace(CONTEXT, mode=Mode.PUSH).encode(),
        replace(CONTEXT, mode=Mode.ENROLMENT).encode(),
        CONTEXT.encode()[:-1],
        CONTEXT.encode() + b"\0",
        Confirm(b"sign-on1").encode(),
        *PADDED_GARBAGE,
    ],
)
def test_a_wrong_context_is_refused(plaintext: bytes) -> None:
    validator = Enrolment().validator()
    agent = PuppetAgent(Enrolment())
    agent.receive_h1(validator.h1())
    frame = agent.context(plaintext)
    with pytest.raises(ProtocolError):
        validator.receive_context(frame)


def decided(change: Callable[[Decision], bytes]) -> tuple[Joined, bytes]:
    """A sign-on that waits for DECISION, and the frame in which a puppet says `change` of it."""
    joined = Joined()
    puppet = PuppetValidator(joined.enrolment)
    joined.agent.receive_h1(puppet.h1())
    puppet.receive_context(joined.agent.context(CONTEXT))
    return joined, puppet.frame(change(puppet.decision()))


def test_the_puppets_right_decision_is_taken() -> None:
    joined, frame = decided(Decision.encode)
    joined.deliver("DECISION", frame)


@pytest.mark.parametrize(
    "change",
    [
        lambda right: replace(right, sign_on_id=b"sign-on2").encode(),
        lambda right: replace(right, context_hash=bytes(32)).encode(),
        lambda right: replace(right, context_hash=right.context_hash[::-1]).encode(),
        lambda right: replace(right, passcode=OTHER_PASSCODE).encode(),
        lambda right: replace(right, passcode="").encode(),
        lambda right: replace(right, passcode=right.passcode + "0").encode(),
        lambda right: replace(right, passcode="é").encode(),
        lambda right: replace(right, verdict=0).encode(),
        lambda right: replace(right, verdict=4).encode(),
        lambda right: right.encode()[:-1],
        lambda right: right.encode() + b"\0",
        lambda _: Confirm(b"sign-on1").encode(),
        lambda _: Receipt(b"sign-on1", SignOnOutcome.SIGNED_ON, 1).encode(),
        *(lambda _, garbage=garbage: garbage for garbage in PADDED_GARBAGE),
    ],
)
def test_a_wrong_decision_is_refused(change: Callable[[Decision], bytes]) -> None:
    joined, frame = decided(change)
    refused(joined, "DECISION", frame)
    with pytest.raises(RuntimeError):
        _ = joined.agent.next_root


def receipted(plaintext: bytes) -> tuple[Joined, bytes]:
    """A sign-on that waits for RECEIPT, and the frame in which a puppet says it."""
    joined = Joined()
    puppet = PuppetAgent(joined.enrolment)
    puppet.receive_h1(joined.make("H1"))
    joined.validator.receive_context(puppet.context(CONTEXT.encode()))
    joined.make("DECISION")
    return joined, puppet.frame(plaintext)


RECEIPT = Receipt(CONTEXT.sign_on_id, SignOnOutcome.SIGNED_ON, 1)


@pytest.mark.parametrize("next_generation", [0, 1, 7])
def test_a_disabled_device_is_told_so_whatever_the_generation(next_generation: int) -> None:
    disabled = replace(RECEIPT, outcome=SignOnOutcome.DISABLED, next_generation=next_generation)
    joined, frame = receipted(disabled.encode())
    assert joined.deliver("RECEIPT", frame) == disabled


@pytest.mark.parametrize(
    "plaintext",
    [
        *(
            replace(RECEIPT, outcome=outcome, next_generation=generation).encode()
            for outcome in SignOnOutcome
            if outcome is not SignOnOutcome.DISABLED
            for generation in (0, 2, 2**32 - 1)
        ),
        *(replace(RECEIPT, outcome=o, sign_on_id=b"sign-on2").encode() for o in SignOnOutcome),
        replace(RECEIPT, outcome=0).encode(),  # type: ignore[arg-type]
        replace(RECEIPT, outcome=6).encode(),  # type: ignore[arg-type]
        RECEIPT.encode()[:-1],
        Confirm(CONTEXT.sign_on_id).encode(),
        *PADDED_GARBAGE,
    ],
)
def test_a_wrong_receipt_is_refused(plaintext: bytes) -> None:
    joined, frame = receipted(plaintext)
    refused(joined, "RECEIPT", frame)
    with pytest.raises(RuntimeError):
        joined.validator.next_generation()


@pytest.mark.parametrize("plaintext", [Confirm(b"sign-on2").encode(), *PADDED_GARBAGE])
def test_a_wrong_confirm_is_refused(plaintext: bytes) -> None:
    joined = Joined()
    puppet = PuppetValidator(joined.enrolment)
    joined.agent.receive_h1(puppet.h1())
    puppet.receive_context(joined.agent.context(CONTEXT))
    joined.agent.receive_decision(puppet.frame(puppet.decision().encode()))
    joined.agent.receipt(SignOnOutcome.SIGNED_ON)
    refused(joined, "CONFIRM", puppet.frame(plaintext))


def test_the_context_is_hashed_as_it_came_and_not_as_it_is_shown() -> None:
    """An agent of another make may send what this one would not: the bytes that came count."""
    texts = dict.fromkeys((6, 7, 8, 10, 14), "")
    numbers = {9: 0, 11: 0, 12: 1, 13: 1, 15: 0, 16: 0, 99: 5}
    names = {3: "an\u200bna", 4: "host", 5: "sshd"}
    fields = {0: 1, 1: b"sign-on1", 2: bytes(32), **texts, **numbers, **names}
    plaintext = pad(dict(sorted(fields.items())), CONTEXT_LENGTH)
    validator = Enrolment().validator()
    agent = PuppetAgent(Enrolment())
    agent.receive_h1(validator.h1())
    assert validator.receive_context(agent.context(plaintext)).user == "anna"
    decision = Decision.decode(agent.receive.decrypt(b"", validator.decision(Verdict.APPROVE)))
    assert decision.context_hash == hashlib.sha256(plaintext).digest()
