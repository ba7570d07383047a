"""pure. DECISION and CONFIRM at the agent, from the device itself."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from protocol.errors import ProtocolError
from protocol.limits import CONFIRM_LENGTH, DECISION_LENGTH, MAC_LENGTH, RECEIPT_LENGTH
from protocol.signon import AgentSignOn
from protocol.signon_messages import Confirm, Decision, SignOnOutcome, Verdict
from tests.fuzz import peers
from tests.fuzz.padding import body, padded, read
from tests.fuzz.script import Script, script
from tests.protocol.independent import RefusedError, next_root, opened

LONGEST = 400
MACHINE = peers.agent_before_decision()
RIGHT = Decision(
    peers.SIGN_ON_ID,
    Verdict.APPROVE,
    peers.SHOWN_HASH,
    peers.VALIDATOR_RANDOM,
    passcode=peers.PASSCODE,
)
DECISION, CONFIRM = range(2)


def came(how: int, number: int, rest: bytes, length: int) -> tuple[bytes, bytes | None]:
    """The frame, and its plaintext as another implementation opens it."""
    if how == peers.RAW:
        try:
            return rest, opened(peers.TO_AGENT, number, b"", rest)
        except RefusedError:
            return rest, None
    plaintext = rest if how == peers.PLAINTEXT else padded(rest, length)
    return peers.seal(peers.TO_AGENT, number, plaintext), plaintext


def once(data: bytes) -> None:
    """u8 DECISION or CONFIRM | u8 how it comes | frame, plaintext or map."""
    script = Script(data)
    confirm = script.number() % 2 == CONFIRM
    how = script.choose(peers.HOW)
    machine = peers.twin(MACHINE)
    if confirm:
        machine.receive_decision(peers.seal(peers.TO_AGENT, 0, RIGHT.encode()))
        answer(machine)
        frame, plaintext = came(how, 1, script.rest(), CONFIRM_LENGTH)
        receive_confirm(machine, frame, read("Confirm", plaintext))
    else:
        frame, plaintext = came(how, 0, script.rest(), DECISION_LENGTH)
        receive_decision(machine, frame, read("Decision", plaintext))


def receive_decision(machine: AgentSignOn, frame: bytes, fields: dict[str, Any] | None) -> None:
    good = (
        fields is not None
        and fields["sign_on_id"] == peers.SIGN_ON_ID
        and fields["context_hash"] == peers.SHOWN_HASH
        and fields["passcode"] == peers.PASSCODE
    )
    try:
        decision = machine.receive_decision(frame)
    except ProtocolError:
        assert not good
        assert peers.is_void(machine)
        return
    assert good
    assert vars(decision) == fields
    root = next_root(
        peers.HANDSHAKE_HASH, peers.CURRENT.root, peers.AGENT_RANDOM, decision.validator_random
    )
    assert machine.next_root == root
    answer(machine)


def answer(machine: AgentSignOn) -> None:
    receipt = machine.receipt(SignOnOutcome.SIGNED_ON)
    assert len(receipt) == RECEIPT_LENGTH + MAC_LENGTH
    fields = read("Receipt", opened(peers.TO_VALIDATOR, 0, b"", receipt))
    assert fields is not None
    assert fields["next_generation"] == peers.CURRENT.number + 1


def receive_confirm(machine: AgentSignOn, frame: bytes, fields: dict[str, Any] | None) -> None:
    good = fields is not None and fields["sign_on_id"] == peers.SIGN_ON_ID
    try:
        machine.receive_confirm(frame)
    except ProtocolError:
        assert not good
        assert peers.is_void(machine)
        return
    assert good


def seeds() -> Iterator[bytes]:
    right = RIGHT.encode()
    other = Decision(b"another1", Verdict.DENY, bytes(32), bytes(32), passcode="4921").encode()
    yield script(DECISION, peers.RAW) + peers.seal(peers.TO_AGENT, 0, right)
    yield script(DECISION, peers.RAW) + bytes(DECISION_LENGTH + MAC_LENGTH)
    yield script(DECISION, peers.PLAINTEXT) + right
    yield script(DECISION, peers.PLAINTEXT) + other
    for wrong in (replace(RIGHT, context_hash=bytes(32)), replace(RIGHT, passcode="00000000")):
        yield script(DECISION, peers.PADDED) + body(wrong.encode())
    yield script(DECISION, peers.PADDED) + body(right)
    confirm = Confirm(peers.SIGN_ON_ID).encode()
    yield script(CONFIRM, peers.RAW) + peers.seal(peers.TO_AGENT, 1, confirm)
    yield script(CONFIRM, peers.PLAINTEXT) + confirm
    yield script(CONFIRM, peers.PLAINTEXT) + Confirm(b"another1").encode()
    yield script(CONFIRM, peers.PADDED) + body(confirm)
