"""pure. A peer on the relay's listeners for agents: before its set-up, and as a hostile agent."""

from collections.abc import Iterator

from protocol import messages
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_LINK_FRAME, MAX_TAGS
from protocol.messages import (
    FROM_AGENT,
    Attach,
    Attached,
    Challenge,
    Close,
    CloseReason,
    Data,
    Hello,
    Ping,
    Pong,
    Reject,
)
from relay.ends import Link, LinkState
from relay.limits import Limits
from tests.fuzz.script import Script, lengths, script
from tests.fuzz.world import (
    AGENT_KEY,
    OTHER_UID,
    RELAY_KEY,
    SHARD,
    STRANGER_UID,
    TAGS,
    UID,
    World,
    hello,
    opening,
    request,
    stream,
)
from tests.protocol.low_order import LOW_ORDER_POINTS
from tests.relay import plain_proxy

LIMITS = Limits(requests=4, requests_per_agent=3, link_buffer=512)
LONGEST = 640
UNIX, TCP, STRANGE, UP, PROVED, PROXIED = range(6)
PAUSES = (0.0, 1.0, 20.0, 60.0)
H1 = encode_frame(b"h" * 80)


def once(data: bytes) -> None:
    """u8 scene | u8 pause | u8 cut or not, and how | u8 not reading, how few wait | stream."""
    whole = World(LIMITS)
    if play(whole, data, in_pieces=False):
        cut = World(LIMITS)
        play(cut, data, in_pieces=True)
        assert whole.outcome() == cut.outcome()


def play(world: World, data: bytes, in_pieces: bool) -> bool:
    """Whether the input asks for its stream in pieces, too."""
    instructions = Script(data)
    scene = instructions.number() % 6
    pause = instructions.choose(PAUSES)
    at_a_time, cut = divmod(instructions.number(), 2)
    fewer, not_reading = divmod(instructions.number() % 8, 2)
    said = instructions.rest()
    neighbour = world.agent(request(1, TAGS[3]), uid=OTHER_UID)
    for tag in TAGS[fewer:]:  # the last one is the neighbour's
        world.validator(opening(tag) + H1)
    uid = {TCP: None, PROVED: None, PROXIED: None, STRANGE: STRANGER_UID}.get(scene, UID)
    link = world.link(uid, hello() if scene == UP else b"", proxied=scene == PROXIED)
    if scene == PROVED:
        prove(world, link)
    if not_reading:
        world.slow.add(link)
    if in_pieces:
        world.pieces[link] = lengths(1 + at_a_time)
    attached = link.state is LinkState.UP
    world.feed(link, said)
    if not attached and not isinstance(link.peer, int):
        assert link.state is not LinkState.UP, "nobody can make the proof"
    if scene == STRANGE:
        assert link.state is LinkState.ENDED
        assert not world.sent[link]
    honest(link, said, behind_hello=attached)
    world.wait(pause)
    # Whatever a hostile agent does, its neighbour's sign-on goes on.
    world.feed(neighbour, stream(Data(1, b"n" * 80)))
    if pause < 60:
        assert neighbour.state is LinkState.UP
        assert 1 in neighbour.requests
    world.finish()
    return bool(cut)


def prove(world: World, link: Link) -> None:
    """What an agent that has a key does."""
    handshake = AgentHandshake(AGENT_KEY, public_bytes(RELAY_KEY))
    world.feed(link, encode_preface(SHARD) + stream(handshake.hello()))
    challenge = world.received(link)[0]
    assert isinstance(challenge, Challenge)
    world.feed(link, stream(handshake.challenged(challenge)))
    assert isinstance(world.received(link)[1], Attached)


def honest(link: Link, said: bytes, behind_hello: bool) -> None:
    """A link that stays up has sent nothing but messages of an agent."""
    if not (behind_hello and link.state is LinkState.UP):
        return
    reader = FrameReader(MAX_LINK_FRAME)
    reader.feed(said)
    try:
        while (body := reader.next_frame()) is not None:
            assert not isinstance(messages.decode(body, FROM_AGENT), Hello | Attach)
    except ProtocolError:
        raise AssertionError("not a message of an agent") from None


def seeds() -> Iterator[bytes]:
    yield script(UNIX, 1, 1, 0) + hello() + request(1, TAGS[0])
    yield script(UP, 1, 1, 0) + hello()[6:]
    yield script(STRANGE, 0, 3, 0) + hello()
    by_key = encode_preface(SHARD) + stream(Hello(public_bytes(AGENT_KEY), bytes(16)))
    for header in (plain_proxy.header("192.0.2.9", 51000), plain_proxy.local(), b"\r\n\r\n"):
        yield script(PROXIED, 0, 9, 0) + header + by_key + stream(Attach(bytes(16)))
    for scene in (TCP, PROVED):
        yield script(scene, 0, 3, 0) + by_key + stream(Attach(bytes(16)))
    yield script(TCP, 2, 3, 0) + encode_preface(SHARD) + stream(Hello(b"\x09" * 32, bytes(16)))
    yield (
        script(TCP, 2, 3, 0) + encode_preface(SHARD) + stream(Hello(LOW_ORDER_POINTS[0], bytes(16)))
    )
    ended = stream(Data(1, b"d" * 272), Close(1, CloseReason.DONE))
    yield script(UP, 0, 9, 0) + request(1, TAGS[0]) + ended
    yield script(PROVED, 0, 9, 0) + request(1, TAGS[0]) + ended
    again = stream(Reject(1)) + request(1, TAGS[1]) + request(2, TAGS[0], ttl=601)
    yield script(UP, 3, 0, 0) + request(1, TAGS[0], TAGS[1]) + again
    yield script(UP, 0, 0, 1) + stream(*[Ping()] * 150)
    yield script(UP, 0, 1, 0) + stream(Ping(), Pong()) + request(1, TAGS[3])
    many = b"".join(request(i, bytes((i,)) * 16) for i in range(5))
    yield script(UP, 2, 0, 0) + many + request(6, *(bytes((i,)) * 16 for i in range(MAX_TAGS)))
    yield script(UP, 0, 0, 0) + stream(Close(1, CloseReason.EXPIRED))
