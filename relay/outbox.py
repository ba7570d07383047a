"""pure. Bytes that a socket is to take: kept in the pieces in which they came, and joined once."""


class Outbox:
    """Of one connection, in order."""

    __slots__ = ("_first", "_length", "_rest")

    def __init__(self) -> None:
        self._first = b""
        """All that there is, mostly: a device gets one frame at a time."""
        self._rest: list[bytes] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return self._length > 0

    def __bytes__(self) -> bytes:
        return self.joined()

    def put(self, piece: bytes) -> None:
        """Behind all that is here."""
        if self._length:
            self._rest.append(piece)
        else:
            self._first = piece
        self._length += len(piece)

    def joined(self) -> bytes:
        """All that is here; it stays."""
        if self._rest:
            self._first = b"".join([self._first, *self._rest])
            self._rest.clear()
        return self._first

    def sent(self, count: int) -> None:
        """The first `count` bytes are not wanted here any more."""
        rest = b"" if count == self._length else self.joined()[count:]
        self.clear()
        self.put(rest)

    def clear(self) -> None:
        if self._rest:
            self._rest.clear()
        self._first = b""
        self._length = 0
