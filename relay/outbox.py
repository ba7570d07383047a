"""pure. Bytes that a socket is to take: kept in the pieces in which they came, and joined once."""


class Outbox:
    """Of one connection, in order."""

    __slots__ = ("_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return self._length > 0

    def __bytes__(self) -> bytes:
        return self.joined()

    def put(self, piece: bytes) -> None:
        """Behind all that is here."""
        self._pieces.append(piece)
        self._length += len(piece)

    def joined(self) -> bytes:
        """All that is here; it stays."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def sent(self, count: int) -> None:
        """The first `count` bytes are not wanted here any more."""
        rest = b"" if count == self._length else self.joined()[count:]
        self.clear()
        if rest:
            self.put(rest)

    def clear(self) -> None:
        self._pieces.clear()
        self._length = 0
