"""pure. A request paired with a validator: their frames forwarded both ways, within the caps.

A transaction has few and small frames, so caps take the place of flow control. What breaks one is
answered with the outcome that it must end with; whoever holds its request ends both.

Must not know what is inside a frame: it counts frames and bytes, and forwards them.
"""

from typing import Final

from protocol.data_messages import data_message
from protocol.errors import ProtocolError
from protocol.limits import LENGTH_PREFIX, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_FRAMES
from protocol.request_messages import paired
from relay.door import Door
from relay.effects import Effects
from relay.ends import Fate, Request, Transaction, Validator
from relay.limits import Limits
from relay.outcomes import RequestOutcome, ValidatorOutcome


class Transactions:
    """All running ones of one relay."""

    def __init__(self, limits: Limits, effects: Effects, door: Door) -> None:
        self._limits = limits
        self._effects: Final = effects
        self._door: Final = door
        self._running = 0
        self._patience = min(limits.stall, limits.lifetime)

    def __len__(self) -> int:
        return self._running

    def adopt(self, limits: Limits) -> None:
        """Go by other limits; what runs is looked at when it would have been."""
        self._limits = limits
        self._patience = min(limits.stall, limits.lifetime)

    def restore(self, transaction: Transaction) -> None:
        """One that ran in another process; request and validator are here already."""
        self._running += 1
        transaction.request.transaction = transaction
        transaction.validator.paired(transaction)

    def begin(
        self, request: Request, validator: Validator, tag: bytes, now: float
    ) -> Transaction | None:
        """Pair them, unless too many run: then the validator is put out and the request waits."""
        self._door.take(validator)
        if self._running >= self._limits.transactions:
            self._door.put_out(validator, ValidatorOutcome.OVERLOADED, now)
            return None
        self._running += 1
        transaction = Transaction(request, validator, now)
        request.transaction = transaction
        validator.paired(transaction)
        self._effects.touch(validator)
        if now + self._patience < validator.deadline:
            self._effects.arm(validator, now + self._patience)
        told = paired(request.number, request.tags.index(tag), validator.peer.text)
        self._effects.forward(request.link, told)
        return transaction

    def forward(self, transaction: Transaction, now: float) -> RequestOutcome | None:
        """Everything whole that the validator has sent goes to the agent."""
        request = transaction.request
        reader = transaction.validator.reader
        while True:
            try:
                framed = reader.next_framed()
            except ProtocolError:
                return RequestOutcome.MALFORMED
            if framed is None:
                return None
            transaction.active = now
            transaction.frames_in += 1
            transaction.bytes_in += len(framed) - LENGTH_PREFIX
            if (
                transaction.frames_in > MAX_TRANSACTION_FRAMES
                or transaction.bytes_in > MAX_TRANSACTION_BYTES
            ):
                return RequestOutcome.FRAMES
            self._effects.forward(request.link, data_message(transaction.head, framed))

    def answer(self, transaction: Transaction, framed: bytes, now: float) -> RequestOutcome | None:
        """A frame of the agent goes to the validator."""
        transaction.active = now
        transaction.frames_out += 1
        transaction.bytes_out += len(framed) - LENGTH_PREFIX
        if (
            transaction.frames_out > MAX_TRANSACTION_FRAMES
            or transaction.bytes_out > MAX_TRANSACTION_BYTES
        ):
            return RequestOutcome.FRAMES
        validator = transaction.validator
        if not validator.answered:
            validator.answered = True
            validator.visit.was_good(now)
        validator.out.put(framed)
        self._effects.touch(validator)
        return None

    def blocked(self, validator: Validator, now: float) -> None:
        """Its socket takes no more of `out`; from now on the send timeout runs."""
        if validator.blocked_since is None:
            validator.blocked_since = now
            timeout = now + self._limits.send_timeout
            self._effects.arm(validator, min(validator.deadline, timeout))

    def look(self, transaction: Transaction, now: float) -> RequestOutcome | None:
        """Its validator's moment has come: say that it is over time, or look again later."""
        limits = self._limits
        validator = transaction.validator
        ends = [
            (transaction.active + limits.stall, RequestOutcome.STALLED),
            (transaction.started + limits.lifetime, RequestOutcome.LIFETIME),
        ]
        if validator.blocked_since is not None:
            timeout = validator.blocked_since + limits.send_timeout
            ends.append((timeout, RequestOutcome.NOT_READING))
        when, outcome = min(ends, key=lambda end: end[0])
        if when <= now:
            return outcome
        self._effects.arm(validator, when)
        return None

    def reject(self, transaction: Transaction, now: float) -> None:
        """The agent wants another validator for the request."""
        self._door.put_out(self._unpair(transaction), ValidatorOutcome.REJECTED, now)

    def end(self, transaction: Transaction, outcome: RequestOutcome, now: float) -> None:
        """Let the validator go, by how the request ended. The record of that says all."""
        validator = self._unpair(transaction)
        if outcome is RequestOutcome.VALIDATOR_GONE:
            self._door.finish(validator, Fate.RESET, now)
        elif outcome is RequestOutcome.DONE and validator.answered:
            self._door.finish(validator, Fate.CLOSE, now)
        else:
            self._door.put_out(validator, None, now)

    def _unpair(self, transaction: Transaction) -> Validator:
        self._running -= 1
        transaction.request.transaction = None
        transaction.validator.transaction = None
        return transaction.validator
