"""pure. Validators that are in no transaction: what they ask for, where they wait, how they leave.

All that are no good leave alike: not a byte is sent, and the reset comes at the moment that was
drawn when they came. Nothing that they or an agent do in between moves it, but for two: who has
been answered is no stranger and is reset at once, and so is who closed its own end.

Must not know what a request is: a tag goes out, and somebody else knows whom it names.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from protocol.data_messages import read_tag
from protocol.errors import ProtocolError
from protocol.frames import decode_preface
from protocol.limits import PREFACE_LENGTH
from relay.admission import UNCOUNTED, Admission
from relay.arrivals import arrive, has_only_looked
from relay.effects import Effects
from relay.ends import Arrival, Fate, Validator, ValidatorState
from relay.limits import Limits
from relay.moments import between
from relay.outcomes import ValidatorOutcome
from relay.peers import Peer
from relay.proxies import Proxies, listed
from relay.records import ValidatorEnded


class Door:
    """Two pools, each bounded: one of the incomplete, who have not asked yet, and one of the held.

    At a pool's cap the oldest in it goes, and never the newcomer. So who only connects, or asks at
    random, presses upon their like, and who asks for a waiting request passes them all.
    """

    def __init__(self, limits: Limits, effects: Effects, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers of 0 to 1."""
        self._limits = limits
        self._effects: Final = effects
        self._jitter: Final = jitter
        self._admission = Admission(limits)
        # An ordinary dictionary would search for its first key, behind all that were deleted.
        self._incomplete: Final[OrderedDict[Validator, None]] = OrderedDict()
        self._held: Final[OrderedDict[Validator, None]] = OrderedDict()
        self._unmatched: Final[dict[bytes, dict[Validator, None]]] = {}

    @property
    def admission(self) -> Admission:
        return self._admission

    @property
    def incomplete(self) -> int:
        """Validators that have not said yet what they want."""
        return len(self._incomplete)

    @property
    def held(self) -> int:
        """Validators that wait for their request, or for their reset."""
        return len(self._held)

    def __iter__(self) -> Iterator[Validator]:
        """The incomplete, then the held; of each, who came first."""
        yield from self._incomplete
        yield from self._held

    def adopt(self, limits: Limits) -> None:
        """Go by other limits; whoever is here already stays, and no source owes anything."""
        if limits != self._limits:
            self._admission = Admission(limits)
        self._limits = limits

    def restore(self, validator: Validator) -> None:
        """One that was let in by another process."""
        if validator.state is ValidatorState.UNMATCHED:
            self._unmatched.setdefault(validator.tag, {})[validator] = None
        if validator.state in (ValidatorState.UNMATCHED, ValidatorState.HELD):
            self._held[validator] = None
        else:
            self._incomplete[validator] = None

    def thin_out(self, most: int, now: float) -> None:
        """Keep those that came last, however they fare: who goes learns nothing by it."""
        everybody = sorted(self, key=lambda validator: validator.opened)
        for validator in everybody[: max(0, len(everybody) - most)]:
            self.leave(validator, ValidatorOutcome.DRAINED, now)

    def open(self, peer: Peer, now: float, proxies: Proxies) -> Validator | None:
        """None when it is refused: its source is, or it is none of `proxies` if there are any."""
        arrival, visit = Arrival.HEADER, UNCOUNTED
        if not proxies:
            admitted = self._admission.admit(peer, now)
            if admitted is None:
                self._record(ValidatorOutcome.REFUSED, peer, now, now)
                return None
            arrival, visit = Arrival.KNOWN, admitted
        elif not listed(peer, proxies):
            self._record(ValidatorOutcome.NOT_LISTED, peer, now, now)
            return None
        limits = self._limits
        release = now + limits.hold + limits.hold_jitter * self._jitter()
        validator = Validator(peer, arrival, visit, now, release)
        self._effects.deadlines.add(validator, release)
        self._enter(self._incomplete, limits.incomplete, validator, now)
        return validator

    def _enter(
        self, pool: OrderedDict[Validator, None], most: int, validator: Validator, now: float
    ) -> None:
        if len(pool) >= most:
            self.leave(next(iter(pool)), ValidatorOutcome.EVICTED, now)
        pool[validator] = None

    def read_tag(self, validator: Validator, data: bytes, now: float) -> bytes | None:
        """The tag it asks for, or None when more bytes are needed or it was no good."""
        validator.reader.feed(data)
        try:
            if validator.arrival is not Arrival.KNOWN and not self._has_arrived(validator, now):
                return None
            tag = _tag(validator)
        except ProtocolError:
            self.put_out(validator, ValidatorOutcome.MALFORMED, now)
            return None
        if tag is not None:
            validator.tag = tag
        return tag

    def _has_arrived(self, validator: Validator, now: float) -> bool:
        """One behind a proxy. Who is refused goes at once, as where there is no proxy."""
        arrival = arrive(validator, self._admission, now)
        if arrival is Arrival.REFUSED:
            self.leave(validator, ValidatorOutcome.REFUSED, now)
        return arrival is Arrival.KNOWN

    def wait(self, validator: Validator, tag: bytes, now: float) -> None:
        """No request waits under its tag, but one may yet come."""
        del self._incomplete[validator]
        self._enter(self._held, self._limits.held, validator, now)
        validator.state = ValidatorState.UNMATCHED
        validator.outcome = ValidatorOutcome.UNMATCHED
        self._unmatched.setdefault(tag, {})[validator] = None
        self._effects.touch(validator)

    def first(self, tags: Iterable[bytes]) -> Validator | None:
        """Who waits longest under the first of these tags that anybody waits under."""
        for tag in tags:
            waiting = self._unmatched.get(tag)
            if waiting is not None:
                return next(iter(waiting))
        return None

    def take(self, validator: Validator) -> None:
        """It goes into a transaction."""
        self._remove(validator)

    def put_out(self, validator: Validator, outcome: ValidatorOutcome | None, now: float) -> None:
        """This validator was no good. It learns nothing, and that always at the same moment.

        `outcome` is None when its transaction's record says all there is to say.
        """
        self._incomplete.pop(validator, None)
        validator.state = ValidatorState.HELD
        validator.outcome = outcome
        validator.out.clear()
        self._effects.touch(validator)
        if validator.answered or now >= validator.release:
            self.dismiss(validator, outcome, now)
            return
        self._enter(self._held, self._limits.held, validator, now)
        if validator.deadline != validator.release:
            self._effects.arm(validator, validator.release)

    def look(self, validator: Validator, now: float) -> None:
        """Its moment has come, or had when a transaction had put it out in the same tick."""
        if validator.state is not ValidatorState.ENDED and now >= validator.release:
            self.dismiss(validator, validator.outcome, now)

    def gone(self, validator: Validator, now: float) -> None:
        """It closed its connection."""
        only_looked = has_only_looked(validator)
        outcome = ValidatorOutcome.CHECKED if only_looked else ValidatorOutcome.LEFT
        self.leave(validator, outcome, now)

    def leave(self, validator: Validator, outcome: ValidatorOutcome, now: float) -> None:
        """It goes before its moment. One that was put out already keeps its own word."""
        if validator.state is ValidatorState.HELD:
            self.dismiss(validator, validator.outcome, now)
        elif validator.state is not ValidatorState.ENDED:
            self.dismiss(validator, outcome, now)

    def dismiss(self, validator: Validator, outcome: ValidatorOutcome | None, now: float) -> None:
        """Reset it now."""
        self._remove(validator)
        if outcome is not None:
            self._record(outcome, validator.peer, validator.opened, now)
        self.finish(validator, Fate.RESET, now)

    def _record(self, outcome: ValidatorOutcome, peer: Peer, opened: float, now: float) -> None:
        """Proxies look every few seconds: that is for who looks for it."""
        looked = outcome is ValidatorOutcome.CHECKED
        if looked or self._effects.floods.is_first(outcome, peer, now):
            level = "debug" if looked else "info"
            lasted = between(opened, now)
            record = ValidatorEnded(outcome, peer.network_text, lasted, level=level)
            self._effects.records.append(record)

    def finish(self, validator: Validator, fate: Fate, now: float) -> None:
        """The end of one that is in no pool, recorded elsewhere."""
        if not validator.answered:
            validator.visit.cost(self._price(validator), now)
        self._effects.deadlines.remove(validator, validator.deadline)
        self._effects.touch(validator)
        validator.state = ValidatorState.ENDED
        validator.fate = fate

    def _price(self, validator: Validator) -> float:
        """Of one that was never answered. By what it did itself, and not by what became of it."""
        if validator.outcome is ValidatorOutcome.MALFORMED:
            return self._limits.malformed_price
        return self._limits.unmatched_price if validator.tag else self._limits.silent_price

    def stop(self, now: float) -> None:
        for validator in list(self):
            self.leave(validator, ValidatorOutcome.DRAINED, now)

    def _remove(self, validator: Validator) -> None:
        """It is in no pool, and nobody finds it by its tag any more."""
        if validator in self._incomplete:
            del self._incomplete[validator]
        elif validator in self._held:
            del self._held[validator]
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
    return read_tag(body)
