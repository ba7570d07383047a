"""pure. A stranger at the relay's door: any bytes, cut anywhere, and the agent's answers."""

from collections.abc import Iterator
from ipaddress import ip_address

from protocol.frames import encode_frame
from protocol.limits import MAX_FRAME, MAX_TRANSACTION_FRAMES
from protocol.messages import Close, CloseReason, Data, Message, Paired, Reject
from relay.ends import Link, Validator
from relay.limits import Limits
from tests.fuzz.script import Script, lengths, script
from tests.fuzz.world import PROXY, TAGS, World, opening, request, stream
from tests.relay import plain_proxy

LIMITS = Limits(incomplete=4, held=4, transactions=1)
LONGEST = 640
NOTHING_WAITS, ONE_WAITS, FULL, DRAINING, COMES_LATER, PROXIED = range(6)
ANSWER = b"a" * 80
ANSWERS: tuple[tuple[Message, ...], ...] = (
    (),
    (Data(1, ANSWER),),
    (Reject(1),),
    (Close(1, CloseReason.DONE),),
)
MIXED = (*ANSWERS, (Data(1, ANSWER), Close(1, CloseReason.DONE)), (Data(1, ANSWER), Reject(1)))
PAUSES = (0.0, 1.0, 5.0, 100.0)


def once(data: bytes) -> None:
    """u8 scene | u8 answer | u8 pause | u8 cut or not, and how | u8 first part | the stream."""
    whole = World(LIMITS)
    if play(whole, data, in_pieces=False):
        cut = World(LIMITS)
        play(cut, data, in_pieces=True)
        assert whole.outcome() == cut.outcome()


def play(world: World, data: bytes, in_pieces: bool) -> bool:
    """Whether the input asks for its stream in pieces, too."""
    instructions = Script(data)
    scene = instructions.number() % 6
    answer = instructions.choose(MIXED)
    pause = instructions.choose(PAUSES)
    at_a_time, cut = divmod(instructions.number(), 2)
    first = 4 * instructions.number()
    said = instructions.rest()
    waiting = request(1, TAGS[0], TAGS[1])
    agent = world.agent(waiting) if scene in (ONE_WAITS, FULL, PROXIED) else world.agent()
    if scene == FULL:
        world.feed(agent, request(2, TAGS[2]))
        world.validator(opening(TAGS[2]))
    if scene == DRAINING:
        world.broker.drain()
    validator = world.validator(proxied=scene == PROXIED)
    if in_pieces:
        world.pieces[validator] = lengths(1 + at_a_time)
    world.feed(validator, said[:first])
    if scene == COMES_LATER:
        world.feed(agent, waiting)
    if was_paired(world, agent):
        world.feed(agent, stream(*answer))
    world.wait(pause)
    world.feed(validator, said[first:])
    forwarded(world, agent, validator, said)
    if scene == PROXIED:
        named(world, agent, said)
    world.wait(pause)
    world.leave(validator)
    world.finish()
    return bool(cut)


def was_paired(world: World, agent: Link) -> bool:
    return any(isinstance(message, Paired) for message in world.received(agent))


def forwarded(world: World, agent: Link, validator: Validator, said: bytes) -> None:
    """What the agent got is what was said, in order, within the caps; and the other way."""
    got = [m.frame for m in world.received(agent) if isinstance(m, Data) and m.request == 1]
    assert b"".join(map(encode_frame, got)) in said
    assert len(got) <= MAX_TRANSACTION_FRAMES
    assert world.frames(validator) in ([], [ANSWER])


def named(world: World, agent: Link, said: bytes) -> None:
    """Whom the agent is told of is whom the proxy's header names, and nobody without a header."""
    for message in world.received(agent):
        if isinstance(message, Paired):
            header = plain_proxy.read(said)
            assert not isinstance(header, str)
            host = ip_address(header[1] or PROXY)
            mapped = getattr(host, "ipv4_mapped", None)
            assert ip_address(message.address.rpartition(":")[0].strip("[]")) in (host, mapped)


def seeds() -> Iterator[bytes]:
    for scene in (NOTHING_WAITS, ONE_WAITS, FULL, DRAINING, COMES_LATER):
        for answer in range(len(MIXED)):
            said = opening(TAGS[0]) + encode_frame(b"h" * 80)
            yield script(scene, answer, 1, 7, 30) + said + encode_frame(b"d" * 272)
    many = b"".join(encode_frame(b"f") for _ in range(MAX_TRANSACTION_FRAMES + 1))
    yield script(ONE_WAITS, 0, 0, 1, 200) + opening(TAGS[1]) + many
    yield script(ONE_WAITS, 0, 0, 91, 200) + opening(TAGS[1]) + encode_frame(bytes(MAX_FRAME)) * 9
    yield script(ONE_WAITS, 1, 2, 3, 7) + opening(TAGS[3]) + encode_frame(b"h" * 80)
    yield script(ONE_WAITS, 1, 2, 3, 7) + opening(TAGS[0]) + b"\0\0"
    headers = (
        plain_proxy.header("192.0.2.9", 51000),
        plain_proxy.header("2001:db8::9", 1),
        plain_proxy.local(),
        plain_proxy.raw(plain_proxy.PROXY, plain_proxy.UDP4, bytes(12)),
    )
    for said in headers:
        yield script(PROXIED, 1, 1, 3, 7) + said + opening(TAGS[0]) + encode_frame(b"h" * 80)
    yield script(ONE_WAITS, 1, 3, 3, 1) + opening(TAGS[0])[:20]
    yield script(ONE_WAITS, 1, 0, 3, 7) + b"GET / HTTP/1.1\r\n\r\n"
