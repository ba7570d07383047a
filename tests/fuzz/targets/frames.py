"""pure. Preface and frames: any stream, cut anywhere."""

from collections.abc import Iterator

from protocol.errors import ProtocolError
from protocol.frames import FrameReader, decode_preface, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME, MAX_UNKNOWN_FRAME, PREFACE_LENGTH
from tests.fuzz.script import Script, cuts, script
from tests.protocol.feeding import END, fed

LONGEST = 2400
BOUNDS = (MAX_FRAME, MAX_LINK_FRAME, MAX_UNKNOWN_FRAME, 3)


def once(data: bytes) -> None:
    """u8 greatest body | u8 bytes at a time | the stream, behind a preface or not."""
    script_ = Script(data)
    bound = script_.choose(BOUNDS)
    at_a_time = 1 + script_.number()
    stream = script_.rest()
    preface(stream[:PREFACE_LENGTH])

    reader = FrameReader(bound)
    whole = fed(reader.feed, reader.next_frame, [stream])
    frames = [item for item in whole if isinstance(item, bytes)]
    assert all(1 <= len(frame) <= bound for frame in frames)
    again = b"".join(map(encode_frame, frames))
    assert stream.startswith(again)
    rest = stream[len(again) :]
    assert reader.buffered == len(rest)
    refused = len(rest) > 1 and not 1 <= int.from_bytes(rest[:2], "big") <= bound
    assert (whole[-1:] == [END]) == refused
    assert refused or len(rest) < bound + 2

    reader = FrameReader(bound)
    assert fed(reader.feed, reader.next_frame, cuts(stream, at_a_time)) == whole

    reader = FrameReader(bound)
    reader.feed(stream)
    taken = reader.take(at_a_time)
    assert taken == (stream[:at_a_time] if len(stream) >= at_a_time else None)
    assert reader.buffered == len(stream) - len(taken or b"")


def preface(data: bytes) -> None:
    good = len(data) == PREFACE_LENGTH and data.startswith(b"BTZN\1")
    try:
        shard = decode_preface(data)
    except ProtocolError:
        assert not good
        return
    assert good
    assert encode_preface(shard) == data


def seeds() -> Iterator[bytes]:
    for bound in range(len(BOUNDS)):
        yield script(bound, 0) + encode_frame(b"one") + encode_frame(b"two")
    yield script(0, 4) + encode_preface(7) + encode_frame(bytes(MAX_FRAME))
    yield script(2, 4) + encode_frame(bytes(MAX_UNKNOWN_FRAME + 1))
    yield script(0, 0) + encode_frame(b"")
