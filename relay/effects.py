"""pure. What the broker's steps leave behind for whoever owns sockets, log and clock."""

from typing import Final

from protocol import messages
from protocol.frames import encode_frame
from protocol.messages import Message
from relay.deadlines import Deadlines
from relay.ends import Link, Validator
from relay.floods import Floods
from relay.records import Record

_STEPS_PER_SECOND: Final = 100
"""The ends' deadlines: resets come within 10 ms of their moment, well below their jitter."""


class Effects:
    """One for all parts of a broker."""

    __slots__ = ("deadlines", "floods", "records", "touched_links", "touched_validators")

    def __init__(self) -> None:
        self.touched_links: list[Link] = []
        self.touched_validators: list[Validator] = []
        """Ends with something new in `out`, another `fate`, or another mind about reading."""
        self.records: Final[list[Record]] = []
        """What is to be logged, in order."""
        self.floods: Final = Floods(self.records)
        """What strangers cause goes by way of these."""
        self.deadlines: Final[Deadlines[Link | Validator]] = Deadlines(_STEPS_PER_SECOND)

    def touch(self, end: Link | Validator) -> None:
        """Whoever has its socket is to look at it; once is enough."""
        if end.touched:
            return
        if isinstance(end, Link):
            end.touched = True
            self.touched_links.append(end)
        else:
            end.touched = True
            self.touched_validators.append(end)

    def send(self, link: Link, message: Message) -> None:
        """Leave a message for a link. How much it has in `out` is looked at between steps only."""
        self.forward(link, encode_frame(messages.encode(message)))

    def forward(self, link: Link, message: bytes) -> None:
        """The same, for one that has its length before it."""
        link.out.put(message)
        self.touch(link)

    def arm(self, end: Link | Validator, when: float) -> None:
        """Look at `end` at that moment, and no longer at the one before."""
        self.deadlines.remove(end, end.deadline)
        end.deadline = when
        self.deadlines.add(end, when)
