"""pure. E2 at the validator, from an agent that says anything."""

from collections.abc import Iterator

from protocol.enrolment import EnrolAnswer, ValidatorEnrolment
from protocol.errors import ProtocolError
from protocol.limits import ENROL_ANSWER_LENGTH
from tests.fuzz import peers
from tests.fuzz.padding import body, padded, read
from tests.fuzz.script import Script, script
from tests.protocol.independent import hkdf, kdf, write_plaintext
from tests.protocol.low_order import LOW_ORDER_POINTS

LONGEST = 900
WEAK = 3
NAME = "anna's phone"
E1, _after_e1 = peers.e1(write_plaintext("EnrolRequest", {"name": NAME}))
BEFORE_E2 = peers.before_e2(_after_e1)
MACHINE = ValidatorEnrolment(
    peers.OFFER, peers.private(peers.DEVICE), peers.private(peers.DEVICE_EPHEMERAL)
)
assert MACHINE.e1(NAME) == E1
RIGHT = EnrolAnswer("host", "anna", peers.AGENT_RANDOM).encode()


def e2(plaintext: bytes) -> tuple[bytes, bytes]:
    """The frame and h."""
    noise = peers.clone(BEFORE_E2)
    return peers.public(peers.AGENT_EPHEMERAL) + noise.seal(plaintext), noise.h


KNOWN, KNOWN_HASH = e2(RIGHT)


def once(data: bytes) -> None:
    """u8 how it comes | frame, plaintext or map."""
    script = Script(data)
    how = script.choose((*peers.HOW, WEAK))
    plaintext, h = None, b""
    if how == WEAK:
        frame = script.choose(LOW_ORDER_POINTS) + script.rest()
    elif how == peers.RAW:
        frame = script.rest()
        if frame == KNOWN:
            plaintext, h = RIGHT, KNOWN_HASH
    else:
        rest = script.rest()
        plaintext = rest if how == peers.PLAINTEXT else padded(rest, ENROL_ANSWER_LENGTH)
        frame, h = e2(plaintext)
    fields = read("EnrolAnswer", plaintext)
    machine = peers.twin(MACHINE)
    try:
        answer, keys = machine.receive_e2(frame)
    except ProtocolError:
        assert fields is None
        return
    assert vars(answer) == fields
    x = hkdf(h, peers.OFFER.secret + answer.agent_random, b"enrol", 32)
    assert keys.rendezvous_root == kdf(x, "rv", b"", 32)
    assert keys.ratchet_root == kdf(x, "r0", b"", 32)
    assert len(keys.compare) == 6


def seeds() -> Iterator[bytes]:
    yield script(peers.RAW) + KNOWN
    yield script(peers.RAW) + KNOWN[:48]
    for number in (0, 1, 9):
        yield script(WEAK, number) + bytes(32)
    longest = EnrolAnswer("h" * 128, "u" * 64, bytes(32)).encode()
    for plaintext in (RIGHT, longest):
        yield script(peers.PLAINTEXT) + plaintext
        yield script(peers.PADDED) + body(plaintext)
