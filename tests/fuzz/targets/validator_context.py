"""pure. CONTEXT at the validator, from an agent that says anything."""

import hashlib
from collections.abc import Iterator

from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import CONTEXT_LENGTH, DECISION_LENGTH, MAC_LENGTH
from protocol.signon_messages import Context, Verdict
from tests.fuzz import peers
from tests.fuzz.padding import body, padded, read
from tests.fuzz.script import Script, script
from tests.protocol.independent import opened
from tests.protocol.low_order import LOW_ORDER_POINTS

LONGEST = 2000
WEAK = 3
MACHINE = peers.validator()


def once(data: bytes) -> None:
    """u8 how it comes | frame, plaintext or map."""
    script = Script(data)
    how = script.choose((*peers.HOW, WEAK))
    machine = peers.twin(MACHINE)
    known, behind = None, peers.BEFORE_CONTEXT
    if how == WEAK:
        frame = script.choose(LOW_ORDER_POINTS) + script.rest()
    elif how == peers.RAW:
        frame = script.rest()
        if frame == peers.context(peers.SHOWN)[0]:  # a seed; nobody else finds one
            known = peers.SHOWN
            _, behind = peers.context(known)
    else:
        rest = script.rest()
        known = rest if how == peers.PLAINTEXT else padded(rest, CONTEXT_LENGTH)
        frame, behind = peers.context(known)
    fields = read("Context", known)
    good = fields is not None and fields["mode"] == peers.MODE
    try:
        context = machine.receive_context(frame)
    except ProtocolError:
        assert not good
        assert peers.is_void(machine)
        return
    assert good
    assert known is not None
    assert vars(context) == fields
    to_agent, _ = behind.split()
    decision = machine.decision(Verdict.DENY)
    assert len(decision) == DECISION_LENGTH + MAC_LENGTH
    echoed = read("Decision", opened(to_agent, 0, b"", decision))
    assert echoed is not None
    assert echoed["context_hash"] == hashlib.sha256(known).digest()
    assert echoed["sign_on_id"] == context.sign_on_id
    assert echoed["passcode"] == peers.PASSCODE


def seeds() -> Iterator[bytes]:
    frame, _ = peers.context(peers.SHOWN)
    yield script(peers.RAW) + frame
    yield script(peers.RAW) + peers.public(peers.AGENT_EPHEMERAL) + bytes(64)
    for number in (0, 1, 9):
        yield script(WEAK, number) + bytes(32)
    full = Context(
        peers.SIGN_ON_ID,
        peers.AGENT_RANDOM,
        *("u" * 64, "h" * 128, "s" * 32, "a" * 64, "r" * 128, "t" * 32, 2**64 - 1, "f" * 32),
        seconds_left=60,
        note="n" * 640,
        last_success=2**64 - 1,
        failures=0xFFFF,
        alert="a" * 160,
    ).encode()
    push = Context(peers.SIGN_ON_ID, peers.AGENT_RANDOM, "anna", "h", "su", mode=Mode.PUSH).encode()
    for plaintext in (peers.SHOWN, full, push):
        yield script(peers.PLAINTEXT) + plaintext
        yield script(peers.PADDED) + body(plaintext)
