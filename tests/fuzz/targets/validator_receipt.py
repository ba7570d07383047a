"""pure. RECEIPT at the validator, from an agent that says anything."""

from collections.abc import Iterator

from protocol.errors import ProtocolError
from protocol.limits import CONFIRM_LENGTH, MAC_LENGTH, RECEIPT_LENGTH
from protocol.signon_messages import Receipt, SignOnOutcome
from tests.fuzz import peers
from tests.fuzz.padding import body, padded, read
from tests.fuzz.script import Script, script
from tests.protocol.independent import RefusedError, next_root, opened

LONGEST = 400
MACHINE = peers.validator_before_receipt()
NEXT = peers.CURRENT.number + 1


def once(data: bytes) -> None:
    """u8 how it comes | frame, plaintext or map."""
    script = Script(data)
    how = script.choose(peers.HOW)
    rest = script.rest()
    plaintext: bytes | None
    if how == peers.RAW:
        frame = rest
        try:
            plaintext = opened(peers.TO_VALIDATOR, 0, b"", frame)
        except RefusedError:
            plaintext = None
    else:
        plaintext = rest if how == peers.PLAINTEXT else padded(rest, RECEIPT_LENGTH)
        frame = peers.seal(peers.TO_VALIDATOR, 0, plaintext)
    fields = read("Receipt", plaintext)
    good = (
        fields is not None
        and fields["sign_on_id"] == peers.SIGN_ON_ID
        and (fields["outcome"] == SignOnOutcome.DISABLED or fields["next_generation"] == NEXT)
    )
    machine = peers.twin(MACHINE)
    try:
        receipt = machine.receive_receipt(frame)
    except ProtocolError:
        assert not good
        assert peers.is_void(machine)
        return
    assert good
    assert vars(receipt) == fields
    following = machine.next_generation()
    assert following.number == NEXT
    assert following.root == next_root(
        peers.HANDSHAKE_HASH, peers.CURRENT.root, peers.AGENT_RANDOM, peers.VALIDATOR_RANDOM
    )
    confirm = machine.confirm()
    assert len(confirm) == CONFIRM_LENGTH + MAC_LENGTH
    assert read("Confirm", opened(peers.TO_AGENT, 1, b"", confirm)) == {
        "sign_on_id": peers.SIGN_ON_ID
    }


def seeds() -> Iterator[bytes]:
    for outcome in SignOnOutcome:
        for number in (NEXT, 0, 2**32 - 1):
            plaintext = Receipt(peers.SIGN_ON_ID, outcome, number, "t" * 128).encode()
            yield script(peers.PADDED) + body(plaintext)
            yield script(peers.PLAINTEXT) + plaintext
    right = Receipt(peers.SIGN_ON_ID, SignOnOutcome.SIGNED_ON, NEXT).encode()
    yield script(peers.RAW) + peers.seal(peers.TO_VALIDATOR, 0, right)
    yield script(peers.RAW) + bytes(RECEIPT_LENGTH + MAC_LENGTH)
    yield script(peers.PADDED) + body(Receipt(b"another1", SignOnOutcome.REFUSED, NEXT).encode())
