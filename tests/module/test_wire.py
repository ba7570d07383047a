"""The module's pure files alone: the wire's reader however bytes are cut, and the text rules."""

import ctypes
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_agent.local_wire import FROM_AGENT, MAX_PAYLOAD, RecordType, encode_record
from tests.support.pam import ROOT

MORE, RECORD, BROKEN = range(3)
MAX_RECORD = 3 + MAX_PAYLOAD


class Reader(ctypes.Structure):
    """struct wire_reader."""

    _fields_ = (
        ("have", ctypes.c_size_t),
        ("broken", ctypes.c_bool),
        ("bytes", ctypes.c_uint8 * (MAX_RECORD + 1)),
    )


@pytest.fixture(scope="session")
def pure(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """wire.c and text.c, which need nothing else; undefined behaviour ends the process."""
    library = tmp_path_factory.mktemp("pure") / "pure.so"
    sources = [ROOT / "pam_agent/module" / name for name in ("wire.c", "text.c")]
    flags = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-shared", "-fPIC", "-g"]
    flags += ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-Wl,-z,defs"]
    subprocess.run(["cc", *flags, "-o", library, *sources], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.wire_wanted.restype = loaded.text_clean.restype = ctypes.c_size_t
    loaded.wire_room.restype = ctypes.c_void_p
    loaded.wire_text.restype = ctypes.c_char_p
    loaded.text_is_plain.restype = ctypes.c_bool
    return loaded


def take(pure: ctypes.CDLL, reader: Reader, data: bytes) -> int:
    """Gives the reader some bytes, no more than it wants."""
    ctypes.memmove(pure.wire_room(ctypes.byref(reader)), data, len(data))
    return int(pure.wire_took(ctypes.byref(reader), ctypes.c_size_t(len(data))))


def wanted(pure: ctypes.CDLL, reader: Reader) -> int:
    return int(pure.wire_wanted(ctypes.byref(reader)))


records = st.builds(
    encode_record,
    st.sampled_from(sorted(FROM_AGENT)),
    st.one_of(st.binary(max_size=20), st.text(max_size=20).map(str.encode)),
)
streams = st.lists(st.one_of(records, st.binary(max_size=8)), max_size=5).map(b"".join)


def texts_of(pure: ctypes.CDLL, stream: bytes, cuts: list[int]) -> tuple[list[bytes], int]:
    """The records found when the stream comes in pieces of `cuts` bytes, and the last state."""
    reader, found, state = Reader(), [], MORE
    sizes = iter(cuts)
    while stream and state is not BROKEN:
        size = min(next(sizes, MAX_RECORD), wanted(pure, reader), len(stream))
        assert size > 0
        state = take(pure, reader, stream[:size])
        stream = stream[size:]
        if state == RECORD:
            kind = bytes((pure.wire_type(ctypes.byref(reader)),))
            found.append(kind + bytes(reader.bytes[3 : reader.have]))
            pure.wire_next(ctypes.byref(reader))
            state = MORE
    return found, state


@given(stream=streams, cuts=st.lists(st.integers(1, 9), max_size=40))
def test_the_cuts_between_pieces_do_not_matter(
    pure: ctypes.CDLL, stream: bytes, cuts: list[int]
) -> None:
    bytewise = texts_of(pure, stream, [1] * len(stream))
    assert texts_of(pure, stream, cuts) == texts_of(pure, stream, []) == bytewise


def test_a_broken_reader_stays_broken(pure: ctypes.CDLL) -> None:
    reader = Reader()
    assert take(pure, reader, b"A") == BROKEN
    assert wanted(pure, reader) == 0
    pure.wire_next(ctypes.byref(reader))
    assert wanted(pure, reader) == 0
    assert pure.wire_took(ctypes.byref(reader), ctypes.c_size_t(0)) == BROKEN


def test_more_than_is_wanted_breaks_a_reader(pure: ctypes.CDLL) -> None:
    reader = Reader()
    assert pure.wire_took(ctypes.byref(reader), ctypes.c_size_t(4)) == BROKEN


def test_a_text_ends_in_nul_whatever_stood_there(pure: ctypes.CDLL) -> None:
    reader = Reader()
    for text in (b"a longer text", b"short", b""):
        record = encode_record(RecordType.INFO, text)
        take(pure, reader, record[:3])
        if text:
            assert take(pure, reader, record[3:]) == RECORD
        assert pure.wire_text(ctypes.byref(reader)) == text
        pure.wire_next(ctypes.byref(reader))


@given(text=st.one_of(st.binary(max_size=12), st.text(max_size=6).map(str.encode)))
def test_plain_text_is_what_python_decodes_without_controls(pure: ctypes.CDLL, text: bytes) -> None:
    assert pure.text_is_plain(text, ctypes.c_size_t(len(text))) == is_plain(text)


def is_plain(text: bytes) -> bool:
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return False
    return not any((c < " " and c != "\n") or "\x7f" <= c <= "\x9f" for c in decoded)


@pytest.mark.parametrize("character", ["\u00e9", "\u2588", "\U0001f511"])
def test_nothing_behind_the_end_of_a_text_is_looked_at(pure: ctypes.CDLL, character: str) -> None:
    whole = character.encode()
    assert pure.text_is_plain(whole, ctypes.c_size_t(len(whole)))
    for length in range(1, len(whole)):
        assert not pure.text_is_plain(whole, ctypes.c_size_t(length))


@given(
    text=st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode)),
    room=st.integers(4, 48),
)
def test_cleaned_text_is_plain_fits_and_shows_a_cut(
    pure: ctypes.CDLL, text: bytes, room: int
) -> None:
    out = ctypes.create_string_buffer(b"\xff" * (room + 8), room + 8)
    length = pure.text_clean(out, ctypes.c_size_t(room), text, ctypes.c_size_t(len(text)))
    cleaned = out.raw[:length]
    assert out.raw[length:].startswith(b"\0")
    assert out.raw[room:] == b"\xff" * 8
    assert is_plain(cleaned)
    assert b"\n" not in cleaned
    if len(text) < room:
        assert len(cleaned) == len(text)
    else:
        assert cleaned.endswith("\u2026".encode())
        assert length >= room - 7


def test_the_ends_of_every_single_character_are_right(pure: ctypes.CDLL) -> None:
    """All of Unicode, one by one."""
    for first in range(0x110000):
        if 0xD800 <= first < 0xE000:
            encoded = chr(first).encode(errors="surrogatepass")
        else:
            encoded = chr(first).encode()
        plain = pure.text_is_plain(encoded, ctypes.c_size_t(len(encoded)))
        assert plain == is_plain(encoded), hex(first)
