"""Feeds a stream decoder in pieces, and tells all it said in a form that can be compared."""

from collections.abc import Callable, Iterable

from protocol.errors import ProtocolError

END = "protocol error"


def fed(
    feed: Callable[[bytes], None],
    next_item: Callable[[], object],
    pieces: Iterable[bytes],
) -> list[object]:
    """All items that a decoder gives for a stream that comes in `pieces`.

    The protocol error is the last entry, if it comes; nothing is fed after it.
    """
    said: list[object] = []
    try:
        for piece in pieces:
            feed(piece)
            while (item := next_item()) is not None:
                said.append(item)
    except ProtocolError:
        said.append(END)
    return said


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]
