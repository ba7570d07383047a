"""Every number has one form, and that is the one msgpack's library writes."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.numbers import encode_number, read_number

EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFFFF]


@given(st.sampled_from(EDGES) | st.integers(0, 0xFFFFFFFF), st.binary(max_size=3))
def test_a_number_is_written_as_the_library_does_and_read_again(number: int, rest: bytes) -> None:
    written = encode_number(number)
    assert written == msgspec.msgpack.encode(number)
    assert read_number(written + rest, 0) == (number, len(written))
    assert read_number(rest + written, len(rest)) == (number, len(rest) + len(written))


@given(st.binary(min_size=1, max_size=6))
@example(b"\xcc\x7f")
@example(b"\xcd\x00\xff")
@example(b"\xce\x00\x00\xff\xff")
@example(b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00")
@example(b"\xd0\x01")
@example(b"\xff")
def test_what_is_read_is_written_the_same(data: bytes) -> None:
    try:
        number, end = read_number(data, 0)
    except ProtocolError:
        return
    except IndexError:
        assert len(data) < 5
        return
    assert encode_number(number) == data[:end]


@pytest.mark.parametrize("number", EDGES)
def test_one_that_is_cut_is_an_index_error(number: int) -> None:
    written = encode_number(number)
    for end in range(len(written)):
        with pytest.raises(IndexError):
            read_number(written[:end], 0)
