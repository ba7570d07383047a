"""pure. The agent's ratchet of one device, and the clone alarm (SPEC section 5.4).

Every verified decision moves the ratchet one step, so an old copy of a validator's store becomes
void, and a device that comes with a key which another one has already used up gives the copy away.
All changes follow from DECISION and CONFIRM, which are fresh and signed on by the device's static
key; H1 changes nothing, because the network could hold one back and deliver it late. A DECISION can
be held back too, but it is never older than the CONTEXT it answers: hence `overtaken`.
"""

from dataclasses import dataclass, field, replace
from enum import Enum

from protocol.limits import RETIRED_GENERATIONS


@dataclass(frozen=True)
class Generation:
    """`number` is g; `root` is R_g (32 bytes, secret, so not in repr)."""

    number: int
    root: bytes = field(repr=False)


class Standing(Enum):
    """What a generation is to the agent."""

    CURRENT = "current"
    PENDING = "pending"
    RETIRED = "retired"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ratchet:
    """What the agent stores of one device's ratchet. Each method gives a new value to store."""

    current: Generation
    pending: Generation | None = None
    retired: tuple[Generation, ...] = ()

    def candidates(self) -> tuple[Generation, ...]:
        """All generations that an H1 is tried with, the likely ones first."""
        pending = () if self.pending is None else (self.pending,)
        return (*pending, self.current, *self.retired)

    def standing(self, base: Generation) -> Standing:
        if base == self.current:
            return Standing.CURRENT
        if base == self.pending:
            return Standing.PENDING
        return Standing.RETIRED if base in self.retired else Standing.UNKNOWN

    def overtaken(self, base: Generation, opened: "Ratchet") -> bool:
        """Whether another DECISION has moved the ratchet since H1 opened under `base` in `opened`.

        To be asked before `decided`, when DECISION verifies. The network may have held it back
        while the same device signed on again: then it is no sign of a copy, and following it would
        retire the generation that the device now holds. The sign-on ends denied, without RECEIPT,
        and changes nothing. Under a generation that was retired already, a copy has shown itself.
        """
        known = (opened.current, opened.pending, None)
        moved = self.current not in known or self.pending not in known
        return moved and opened.standing(base) in (Standing.CURRENT, Standing.PENDING)

    def decided(self, base: Generation, next_root: bytes) -> "Ratchet | None":
        """The ratchet after a verified DECISION under `base`; None is the clone alarm.

        A decision under the pending generation proves that the device stored it, so it commits.
        One under the current generation proves that the device never got the pending one, or that
        another holder of the current one did: the pending one is retired, to be recognised.
        """
        successor = Generation(base.number + 1, next_root)
        match self.standing(base):
            case Standing.PENDING:
                return Ratchet(base, successor, self._retire(self.current))
            case Standing.CURRENT if self.pending is None:
                return replace(self, pending=successor)
            case Standing.CURRENT if self.pending is not None:
                return replace(self, pending=successor, retired=self._retire(self.pending))
            case _:
                return None

    def confirmed(self, successor: Generation) -> "Ratchet":
        """The ratchet after CONFIRM for `successor`; the same when that is no longer pending."""
        if successor != self.pending:
            return self
        return Ratchet(successor, None, self._retire(self.current))

    def _retire(self, generation: Generation) -> tuple[Generation, ...]:
        return (generation, *self.retired)[:RETIRED_GENERATIONS]
