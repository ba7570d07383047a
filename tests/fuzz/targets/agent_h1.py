"""pure. H1 at the agent: from strangers, from who knows K_rv, and from the device itself."""

from collections.abc import Iterator

from protocol.errors import ActivationFailedError, ProtocolError
from protocol.limits import H1_FRAME_LENGTH
from protocol.ratchet import Generation
from tests.fuzz import peers
from tests.fuzz.script import Script, script
from tests.protocol.independent import RefusedError, read_plaintext
from tests.protocol.low_order import LOW_ORDER_POINTS

LONGEST = 160
STRANGER, TAMPERED, WEAK, DEVICE = range(4)
GENERATIONS = (*peers.CANDIDATES, peers.UNKNOWN)


def frame_of(script: Script) -> bytes:
    match script.number() % 4:
        case 0:  # STRANGER
            return script.rest()
        case 1:  # TAMPERED: somebody who can make the MAC, and has not the device's key
            message = script.rest()
        case 2:  # WEAK
            message = script.choose(LOW_ORDER_POINTS) + script.rest()
        case _:
            return peers.h1(script.choose(GENERATIONS), script.rest())
    return message + peers.m1mac(message)


def opened(message: bytes) -> tuple[Generation, bytes] | None:
    """What another implementation finds inside."""
    for generation in peers.CANDIDATES:
        try:
            return generation, peers.before_h1(generation, message[:32]).open(message[32:])
        except RefusedError:
            continue
    return None


def once(data: bytes) -> None:
    """u8 who | what they send."""
    frame = frame_of(Script(data))
    machine = peers.agent()
    message, mac = frame[:-16], frame[-16:]
    authentic = len(frame) == H1_FRAME_LENGTH and mac == peers.m1mac(message)
    try:
        payload = machine.receive_h1(frame)
    except ActivationFailedError:
        assert authentic
        assert opened(message) is None
        assert peers.is_void(machine)
        return
    except ProtocolError:
        inside = opened(message) if authentic else None
        assert inside is None or not good(*inside)
        assert not authentic or inside is not None
        assert peers.is_void(machine)
        return
    inside = opened(message)
    assert authentic
    assert inside is not None
    assert good(*inside)
    assert machine.base == inside[0]
    assert vars(payload) == read_plaintext("H1Payload", inside[1])


def good(generation: Generation, plaintext: bytes) -> bool:
    try:
        return bool(read_plaintext("H1Payload", plaintext)["generation"] == generation.number)
    except RefusedError:
        return False


def seeds() -> Iterator[bytes]:
    for number, generation in enumerate(GENERATIONS):
        payload = generation.number.to_bytes(4, "big") + bytes(12)
        yield script(DEVICE, number) + payload
        yield script(DEVICE, number) + payload[:-1] + b"\1"
        yield script(DEVICE, number) + bytes(16)
        frame = peers.h1(generation, payload)
        yield script(STRANGER) + frame
        yield script(TAMPERED) + frame[:-16]
    for number in range(len(LOW_ORDER_POINTS)):
        yield script(WEAK, number) + bytes(32)
    yield script(STRANGER) + bytes(80)
    yield script(TAMPERED) + bytes(64)
