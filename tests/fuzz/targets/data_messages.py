"""pure. Data and AuthValidate as a relay reads them, against what was made from SPEC.md alone."""

from collections.abc import Iterator

from protocol.data_messages import data_head, data_message, read_data, read_tag
from protocol.errors import ProtocolError
from protocol.frames import encode_frame
from protocol.limits import LENGTH_PREFIX, MAX_FRAME
from tests.fuzz import plain_msgpack
from tests.fuzz.vectors import load
from tests.protocol import independent

LONGEST = 2400


def once(data: bytes) -> None:
    """One body."""
    said = expected("agent", "Data", data)
    try:
        number, framed = read_data(data)
    except ProtocolError:
        assert said is None
    else:
        assert (number, framed[LENGTH_PREFIX:]) == said
        assert data_message(data_head(number), framed) == encode_frame(data)
    try:
        tag = read_tag(data)
    except ProtocolError:
        assert expected("validator", "AuthValidate", data) is None
        return
    assert (tag,) == expected("validator", "AuthValidate", data)


def expected(sender: str, message: str, body: bytes) -> tuple[object, ...] | None:
    """The fields, if it is this message."""
    try:
        plain_msgpack.value(body)
        name, fields = independent.read_message(sender, body)
    except (plain_msgpack.RefusedError, independent.RefusedError):
        return None
    return tuple(fields.values()) if name == message else None


def seeds() -> Iterator[bytes]:
    vectors = load("messages")
    for vector in (*vectors["messages"], *vectors["refused"]):
        yield bytes.fromhex(vector["body"])
    for number in (0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 2**32 - 1):
        for length in (1, 0xFF, 0x100, MAX_FRAME):
            yield independent.write_message("Data", {"request": number, "frame": bytes(length)})
    for form in (b"\xcc\1", b"\xcd\0\1", b"\xce\0\0\0\1", b"\xcf" + bytes(7) + b"\1", b"\xff"):
        yield b"\x93\x08" + form + b"\xc4\1f"
    for form in (b"\xc4\0", b"\xc4\2f", b"\xc4\1ff", b"\xc5\0\1f", b"\xc5\1", b"\xa1f"):
        yield b"\x93\x08\1" + form
