import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.frames import MAGIC, FrameReader, decode_preface, encode_frame, encode_preface
from protocol.limits import MAX_FRAME, MAX_LINK_FRAME, MAX_UNKNOWN_FRAME, PREFACE_LENGTH
from tests.protocol.feeding import END, fed, single_bytes


def read_all(data: bytes, max_body: int, pieces: list[bytes] | None = None) -> list[object]:
    reader = FrameReader(max_body)
    return fed(reader.feed, reader.next_frame, [data] if pieces is None else pieces)


@pytest.mark.parametrize("shard", [0, 1, 255])
def test_preface_is_six_bytes_and_comes_back(shard: int) -> None:
    preface = encode_preface(shard)
    assert preface == b"BTZN\x01" + bytes((shard,))
    assert decode_preface(preface) == shard


@given(st.binary(max_size=8))
@example(b"BTZN\x01")
@example(b"BTZN\x01\x07\x00")
@example(b"BTZN\x02\x07")
@example(b"BTZN\x00\x07")
@example(b"btzn\x01\x07")
def test_any_bytes_as_a_preface_give_a_shard_or_the_error(data: bytes) -> None:
    good = len(data) == PREFACE_LENGTH and data[:5] == MAGIC + b"\x01"
    try:
        assert decode_preface(data) == data[5]
    except ProtocolError:
        assert not good
    else:
        assert good


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.data())
def test_frames_come_back_however_the_stream_is_cut(
    bodies: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(encode_frame, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read_all(stream, 300, pieces) == bodies


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.integers(1, 400))
def test_framed_they_come_back_as_they_were_on_the_wire(bodies: list[bytes], size: int) -> None:
    stream = b"".join(map(encode_frame, bodies))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    reader = FrameReader(300)
    assert fed(reader.feed, reader.next_framed, pieces) == list(map(encode_frame, bodies))


@given(st.binary(max_size=700), st.sampled_from([1, 2, 3, 255, 256, MAX_UNKNOWN_FRAME]))
def test_any_stream_gives_the_same_whole_and_byte_by_byte(data: bytes, max_body: int) -> None:
    assert read_all(data, max_body) == read_all(data, max_body, single_bytes(data))


@pytest.mark.parametrize("limit", [MAX_UNKNOWN_FRAME, MAX_FRAME, MAX_LINK_FRAME])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(limit: int) -> None:
    assert read_all(encode_frame(bytes(limit)), limit) == [bytes(limit)]
    assert read_all(encode_frame(bytes(limit + 1)), limit) == [END]


@pytest.mark.parametrize("header", [b"\x00\x00", b"\x08\x01", b"\xff\xff"])
def test_a_bad_length_is_refused_before_its_body_comes(header: bytes) -> None:
    assert read_all(header, MAX_FRAME) == [END]


def test_a_reader_that_met_an_error_stays_in_error() -> None:
    reader = FrameReader(4)
    reader.feed(b"\x00\x05" + encode_frame(b"good"))
    for _ in range(2):
        with pytest.raises(ProtocolError):
            reader.next_frame()


@given(st.binary(min_size=1, max_size=50), st.integers(0, 51))
def test_what_is_buffered_at_the_end_is_truncation(body: bytes, kept: int) -> None:
    frame = encode_frame(body)
    reader = FrameReader(50)
    reader.feed(frame[:kept])
    whole = reader.next_frame()
    if kept >= len(frame):
        assert whole == body
        assert reader.buffered == 0
        assert reader.unread == b""
    else:
        assert whole is None
        assert reader.buffered == kept
        assert reader.unread == frame[:kept]


def test_a_preface_is_taken_raw_before_the_frames() -> None:
    reader = FrameReader(10)
    stream = encode_preface(9) + encode_frame(b"one") + encode_frame(b"two")
    taken = None
    said = []
    for piece in single_bytes(stream):
        reader.feed(piece)
        if taken is None:
            taken = reader.take(PREFACE_LENGTH)
        elif (body := reader.next_frame()) is not None:
            said.append(body)
    assert taken is not None
    assert decode_preface(taken) == 9
    assert said == [b"one", b"two"]


def test_raw_bytes_are_taken_as_soon_as_they_are_there() -> None:
    reader = FrameReader(10)
    reader.feed(b"BTZN\x01")
    assert reader.take(PREFACE_LENGTH) is None
    reader.feed(b"\x09")
    assert reader.take(PREFACE_LENGTH) == b"BTZN\x01\x09"
    assert reader.buffered == 0


def test_the_limit_may_be_raised_once_the_peer_is_known() -> None:
    reader = FrameReader(MAX_UNKNOWN_FRAME)
    reader.feed(encode_frame(b"hello") + encode_frame(bytes(MAX_LINK_FRAME)))
    assert reader.next_frame() == b"hello"
    reader.max_body = MAX_LINK_FRAME
    assert reader.next_frame() == bytes(MAX_LINK_FRAME)
