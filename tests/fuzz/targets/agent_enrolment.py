"""pure. E1 at the agent, from somebody who knows the offer, and from somebody who does not."""

from collections.abc import Iterator

from protocol.enrolment import AgentEnrolment, EnrolAnswer
from protocol.errors import ProtocolError
from protocol.limits import ENROL_ANSWER_LENGTH, ENROL_REQUEST_LENGTH
from tests.fuzz import peers
from tests.fuzz.padding import body, padded, read
from tests.fuzz.script import Script, script
from tests.protocol.independent import write_plaintext
from tests.protocol.low_order import LOW_ORDER_POINTS

LONGEST = 600
STATIC, WEAK = 3, 4
ANSWER = EnrolAnswer("host", "anna", peers.AGENT_RANDOM)
RIGHT = write_plaintext("EnrolRequest", {"name": "anna's phone"})
MACHINE = AgentEnrolment(
    peers.OFFER, peers.private(peers.AGENT), peers.private(peers.AGENT_EPHEMERAL)
)
KNOWN = peers.e1(RIGHT)[0]


def once(data: bytes) -> None:
    """u8 how it comes | frame, plaintext, map, or static key and what follows it."""
    script = Script(data)
    how = script.choose((*peers.HOW, STATIC, WEAK))
    plaintext = None
    match how:
        case peers.PLAINTEXT | peers.PADDED:
            rest = script.rest()
            plaintext = rest if how == peers.PLAINTEXT else padded(rest, ENROL_REQUEST_LENGTH)
            frame, _ = peers.e1(plaintext)
        case 3:  # STATIC
            frame = peers.e1_of(script.take(32), script.rest())
        case 4:  # WEAK
            frame = peers.e1_of(script.choose(LOW_ORDER_POINTS), script.rest())
        case _:
            frame = script.rest()
    if frame == KNOWN:  # a seed; nobody else finds one
        plaintext = RIGHT
    fields = read("EnrolRequest", plaintext)
    machine = peers.twin(MACHINE)
    try:
        device = machine.receive_e1(frame)
    except ProtocolError:
        assert fields is None
        return
    assert fields == {"name": device.name}
    assert device.public == peers.public(peers.DEVICE)
    answer, _ = machine.e2(ANSWER)
    assert len(answer) == 32 + ENROL_ANSWER_LENGTH + 16


def seeds() -> Iterator[bytes]:
    yield script(peers.RAW) + KNOWN
    yield script(peers.RAW) + KNOWN[:80]
    for name in ("phone", "n" * 64, "\u202eevil"):
        plaintext = write_plaintext("EnrolRequest", {"name": name})
        yield script(peers.PLAINTEXT) + plaintext
        yield script(peers.PADDED) + body(plaintext)
    yield script(peers.PADDED) + b"\x81\0\2"
    yield script(STATIC) + peers.public(peers.DEVICE) + KNOWN[80:]
    for number in (0, 1, 9):
        yield script(WEAK, number) + bytes(272)
