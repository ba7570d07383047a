"""pure. Validators that are in no transaction: what they ask for, where they wait, how they leave.

All that are no good leave alike: not a byte is sent, and the reset comes at the moment that was
drawn when they came. Nothing that they or an agent do in between moves it, but for two: who has
been answered is no stranger and is reset at once, and so is who closed its own end.

Must not know what a request is: a tag goes out, and somebody else knows whom it names.
"""

from collections.abc import Callable, Iterable
from typing import Final

from protocol import messages
from protocol.errors import ProtocolError
from protocol.frames import decode_preface
from protocol.limits import PREFACE_LENGTH
from protocol.messages import FROM_VALIDATOR
from relay.effects import Effects
from relay.ends import Fate, Validator, ValidatorState
from relay.limits import Limits
from relay.outcomes import ValidatorOutcome
from relay.peers import Peer
from relay.records import ValidatorEnded, between


class Door:
    """Bounded: at the cap the oldest one goes."""

    def __init__(self, limits: Limits, effects: Effects, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers of 0 to 1."""
        self._limits: Final = limits
        self._effects: Final = effects
        self._jitter: Final = jitter
        self._unpaired: Final[dict[Validator, None]] = {}
        self._unmatched: Final[dict[bytes, dict[Validator, None]]] = {}

    def __len__(self) -> int:
        """Validators that are in no transaction."""
        return len(self._unpaired)

    def open(self, peer: Peer, now: float) -> Validator:
        limits = self._limits
        release = now + limits.hold + limits.hold_jitter * self._jitter()
        validator = Validator(peer, now, release)
        self._effects.deadlines.add(validator, release)
        if len(self._unpaired) >= limits.unpaired:
            self.leave(next(iter(self._unpaired)), ValidatorOutcome.EVICTED, now)
        self._unpaired[validator] = None
        return validator

    def read_tag(self, validator: Validator, data: bytes, now: float) -> bytes | None:
        """The tag it asks for, or None when more bytes are needed or it was no good."""
        validator.reader.feed(data)
        try:
            return _tag(validator)
        except ProtocolError:
            self.put_out(validator, ValidatorOutcome.MALFORMED, now)
            return None

    def wait(self, validator: Validator, tag: bytes) -> None:
        """No request waits under its tag, but one may yet come."""
        validator.state = ValidatorState.UNMATCHED
        validator.outcome = ValidatorOutcome.UNMATCHED
        validator.tag = tag
        self._unmatched.setdefault(tag, {})[validator] = None
        self._effects.touched.add(validator)

    def first(self, tags: Iterable[bytes]) -> Validator | None:
        """Who waits longest under the first of these tags that anybody waits under."""
        for tag in tags:
            waiting = self._unmatched.get(tag)
            if waiting is not None:
                return next(iter(waiting))
        return None

    def take(self, validator: Validator) -> None:
        """It goes into a transaction."""
        self._forget(validator)
        del self._unpaired[validator]

    def put_out(self, validator: Validator, outcome: ValidatorOutcome | None, now: float) -> None:
        """This validator was no good. It learns nothing, and that always at the same moment.

        `outcome` is None when its transaction's record says all there is to say.
        """
        self._unpaired[validator] = None
        validator.state = ValidatorState.HELD
        validator.outcome = outcome
        validator.out.clear()
        self._effects.touched.add(validator)
        if validator.answered or now >= validator.release:
            self.dismiss(validator, outcome, now)
        elif validator.deadline != validator.release:
            self._effects.arm(validator, validator.release)

    def look(self, validator: Validator, now: float) -> None:
        """Its moment has come, or had when a transaction had put it out in the same tick."""
        if validator.state is not ValidatorState.ENDED and now >= validator.release:
            self.dismiss(validator, validator.outcome, now)

    def leave(self, validator: Validator, outcome: ValidatorOutcome, now: float) -> None:
        """It goes before its moment. One that was put out already keeps its own word."""
        if validator.state is ValidatorState.HELD:
            self.dismiss(validator, validator.outcome, now)
        elif validator.state is not ValidatorState.ENDED:
            self.dismiss(validator, outcome, now)

    def dismiss(self, validator: Validator, outcome: ValidatorOutcome | None, now: float) -> None:
        """Reset it now."""
        self._forget(validator)
        if outcome is not None:
            lasted = between(validator.opened, now)
            source = validator.peer.network_text
            self._effects.records.append(ValidatorEnded(outcome, source, lasted))
        self.finish(validator, Fate.RESET)

    def finish(self, validator: Validator, fate: Fate) -> None:
        """Its end, recorded elsewhere."""
        self._unpaired.pop(validator, None)
        self._effects.deadlines.remove(validator, validator.deadline)
        self._effects.touched.add(validator)
        validator.state = ValidatorState.ENDED
        validator.fate = fate

    def stop(self, now: float) -> None:
        for validator in list(self._unpaired):
            self.leave(validator, ValidatorOutcome.DRAINED, now)

    def _forget(self, validator: Validator) -> None:
        """Nobody finds it by its tag any more."""
        if validator.state is ValidatorState.UNMATCHED:
            waiting = self._unmatched[validator.tag]
            del waiting[validator]
            if not waiting:
                del self._unmatched[validator.tag]


def _tag(validator: Validator) -> bytes | None:
    """The tag of AuthValidate, or None when more bytes are needed. Raises ProtocolError."""
    reader = validator.reader
    if validator.state is ValidatorState.PREFACE:
        preface = reader.take(PREFACE_LENGTH)
        if preface is None:
            return None
        decode_preface(preface)
        validator.state = ValidatorState.AUTH_VALIDATE
    body = reader.next_frame()
    if body is None:
        return None
    return messages.decode(body, FROM_VALIDATOR).tag
