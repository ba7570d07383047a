"""pure. Agents' requests: queued under their tags, paired with a validator, ended.

A tag names at most one request, waiting or running. Whatever ends a request goes through `end`,
once. A ProtocolError that leaves this file is the agent's own fault, never a validator's.
"""

from collections.abc import Mapping
from typing import Final

from protocol.errors import ProtocolError
from protocol.limits import MAX_REJECTS
from protocol.messages import Close, CloseReason, Refused, RefusedReason, Reject
from protocol.request_messages import queued
from protocol.sign_on_id import display
from relay.buckets import Bucket, Size
from relay.deadlines import Deadlines
from relay.door import Door
from relay.effects import Effects
from relay.ends import Link, Request, Transaction, Validator
from relay.limits import Limits
from relay.moments import between
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from relay.transactions import Transactions

_STEPS_PER_SECOND: Final = 10
"""A request's end to 100 ms: its agent counts the time itself. Coarse steps cost little memory."""

_RESTARTS: Final = 2
"""Times that an agent may queue all it has at once."""

_CLOSE_REASON: Final[Mapping[RequestOutcome, CloseReason]] = {
    RequestOutcome.EXPIRED: CloseReason.EXPIRED,
    RequestOutcome.REJECTED_TOO_OFTEN: CloseReason.LIMIT,
    RequestOutcome.STALLED: CloseReason.STALLED,
    RequestOutcome.LIFETIME: CloseReason.LIMIT,
    RequestOutcome.FRAMES: CloseReason.LIMIT,
    RequestOutcome.MALFORMED: CloseReason.VALIDATOR_GONE,
    RequestOutcome.NOT_READING: CloseReason.STALLED,
    RequestOutcome.VALIDATOR_GONE: CloseReason.VALIDATOR_GONE,
}
"""What the agent is told. Outcomes that are not here are the agent's own, or it is gone."""

_AGENTS_OUTCOME: Final[dict[CloseReason, RequestOutcome]] = {
    CloseReason.DONE: RequestOutcome.DONE,
    CloseReason.WITHDRAWN: RequestOutcome.WITHDRAWN,
}
"""By the reasons that an agent may give."""


class Requests:
    """All requests of one relay."""

    def __init__(
        self, limits: Limits, effects: Effects, door: Door, transactions: Transactions
    ) -> None:
        self.draining = False
        self.deadlines: Final[Deadlines[Request]] = Deadlines(_STEPS_PER_SECOND)
        self._limits = limits
        self._effects: Final = effects
        self._door: Final = door
        self._transactions: Final = transactions
        self._count = 0
        self._of_agent: Final[dict[str, int]] = {}
        self._rate = _rate(limits)
        self._lately: Final[dict[str, Bucket]] = {}
        """What each agent has queued: as many agents as may attach."""
        self._by_tag: Final[dict[bytes, Request]] = {}

    def __len__(self) -> int:
        """Waiting and running."""
        return self._count

    def adopt(self, limits: Limits) -> None:
        """Go by other limits; those that are queued stay so."""
        self._limits = limits
        self._rate = _rate(limits)
        self._lately.clear()

    # ---- handed over -----------------------------------------------------------------------------

    def lately(self, now: float) -> dict[str, float]:
        """How much each agent has queued, as far as it still counts."""
        return {agent: bucket.left(now) for agent, bucket in self._lately.items()}

    def restore_lately(self, lately: Mapping[str, float], now: float) -> None:
        for agent, left in lately.items():
            self._lately[agent] = Bucket(self._rate, now)
            self._lately[agent].add(left, now)

    def enter(self, request: Request) -> None:
        """One more, of a link that is here; another process may have queued it."""
        link = request.link
        link.requests[request.number] = request
        self._count += 1
        self._of_agent[link.agent] = self._of_agent.get(link.agent, 0) + 1
        for tag in request.tags:
            self._by_tag[tag] = request
        self.deadlines.add(request, request.expires)

    # ---- waiting ---------------------------------------------------------------------------------

    def queue(
        self,
        link: Link,
        number: int,
        sign_on_id: bytes,
        ttl: int,
        tags: tuple[bytes, ...],
        now: float,
    ) -> None:
        """The fields are those of AuthRequest."""
        replaced = self._under(tags)
        lately = self._lately.get(link.agent)
        if lately is None:
            lately = self._lately[link.agent] = Bucket(self._rate, now)
        refusal = self._refusal(link, number, ttl, replaced)
        if refusal is None and lately.is_full(now):
            refusal = RefusedReason.QUOTA
        if refusal is not None:
            self._effects.send(link, Refused(number, refusal))
            return
        lately.add(1.0, now)
        for old in replaced:
            self.end(old, RequestOutcome.REPLACED, now)
        request = Request(link, number, sign_on_id, tags, now, now + ttl)
        self.enter(request)
        self._effects.forward(link, queued(number))
        self._offer(request, now)

    def _under(self, tags: tuple[bytes, ...]) -> list[Request]:
        """The requests that these tags name already, each once."""
        found: list[Request] = []
        for tag in tags:
            request = self._by_tag.get(tag)
            if request is not None and request not in found:
                found.append(request)
        return found

    def _refusal(
        self, link: Link, number: int, ttl: int, replaced: list[Request]
    ) -> RefusedReason | None:
        """The ones it replaces make room: a reconnecting agent may be at its quota."""
        limits = self._limits
        if self.draining:
            return RefusedReason.DRAINING
        if not 1 <= ttl <= limits.longest_ttl:
            return RefusedReason.TTL
        if number in link.requests:
            return RefusedReason.DUPLICATE
        if any(old.link.agent != link.agent for old in replaced):
            return RefusedReason.DUPLICATE
        if self._of_agent.get(link.agent, 0) - len(replaced) >= limits.requests_per_agent:
            return RefusedReason.QUOTA
        if self._count - len(replaced) >= limits.requests:
            return RefusedReason.OVERLOADED
        return None

    def reject(self, link: Link, message: Reject, now: float) -> None:
        """The agent wants another validator."""
        request = link.requests.get(message.request)
        if request is None:
            return  # it has just ended here, and the agent does not know yet
        if request.transaction is None:
            raise ProtocolError("Reject of a request that is not paired")
        self._transactions.reject(request.transaction, now)
        request.rejects += 1
        if request.rejects > MAX_REJECTS:
            self.end(request, RequestOutcome.REJECTED_TOO_OFTEN, now)
        elif now >= request.expires:
            self.end(request, RequestOutcome.EXPIRED, now)
        else:
            self._offer(request, now)

    def expire(self, now: float) -> None:
        """End what nobody came for. What runs ends by itself, or is looked at again on Reject."""
        for request in self.deadlines.due(now):
            if request.transaction is None:
                self.end(request, RequestOutcome.EXPIRED, now)

    # ---- paired ----------------------------------------------------------------------------------

    def match(self, validator: Validator, tag: bytes, now: float) -> None:
        """A validator has come for the request under `tag`."""
        request = self._by_tag.get(tag)
        if request is not None and request.transaction is None:
            self._pair(request, validator, tag, now)
        else:
            self._door.wait(validator, tag, now)

    def _offer(self, request: Request, now: float) -> None:
        """Pair a request that waits with a validator that already does."""
        validator = self._door.first(request.tags)
        if validator is not None:
            self._pair(request, validator, validator.tag, now)

    def _pair(self, request: Request, validator: Validator, tag: bytes, now: float) -> None:
        transaction = self._transactions.begin(request, validator, tag, now)
        if transaction is not None:
            self.forward(transaction, now)

    def forward(self, transaction: Transaction, now: float) -> None:
        """What the validator has sent so far goes to the agent."""
        outcome = self._transactions.forward(transaction, now)
        if outcome is not None:
            self.end(transaction.request, outcome, now)

    def data(self, link: Link, number: int, framed: bytes, now: float) -> None:
        """A frame of the agent goes to the validator."""
        request = link.requests.get(number)
        if request is None:
            return
        if request.transaction is None:
            raise ProtocolError("Data for a request that is not paired")
        outcome = self._transactions.answer(request.transaction, framed, now)
        if outcome is not None:
            self.end(request, outcome, now)

    def look(self, transaction: Transaction, now: float) -> None:
        """The moment to look at a transaction has come."""
        outcome = self._transactions.look(transaction, now)
        if outcome is not None:
            self.end(transaction.request, outcome, now)

    # ---- the end ---------------------------------------------------------------------------------

    def close(self, link: Link, number: int, reason: CloseReason, now: float) -> None:
        """The agent is through with it."""
        outcome = _AGENTS_OUTCOME.get(reason)
        if outcome is None:
            raise ProtocolError("a relay's reason from an agent")
        request = link.requests.get(number)
        if request is not None:
            self.end(request, outcome, now)

    def end(self, request: Request, outcome: RequestOutcome, now: float) -> None:
        """The end of a request and of its transaction, told to whoever is still there."""
        link = request.link
        del link.requests[request.number]
        self._count -= 1
        self._of_agent[link.agent] -= 1
        if not self._of_agent[link.agent]:
            del self._of_agent[link.agent]
        for tag in request.tags:
            del self._by_tag[tag]
        self.deadlines.remove(request, request.expires)
        self._effects.records.append(_record(request, outcome, now))
        reason = None if outcome is RequestOutcome.DONE else _CLOSE_REASON.get(outcome)
        if reason is not None:
            self._effects.send(link, Close(request.number, reason))
        if request.transaction is not None:
            self._transactions.end(request.transaction, outcome, now)


def _rate(limits: Limits) -> Size:
    burst = _RESTARTS * limits.requests_per_agent
    return Size(limits.request_rate, burst, burst)


def _record(request: Request, outcome: RequestOutcome, now: float) -> RequestEnded:
    transaction = request.transaction
    agent = request.link.agent
    sign_on_id = display(request.sign_on_id)
    if transaction is None:
        waited = between(request.queued_at, now)
        return RequestEnded(outcome, agent, sign_on_id, "", waited, 0.0, 0, 0, request.rejects)
    return RequestEnded(
        outcome,
        agent,
        sign_on_id,
        transaction.validator.peer.network_text,
        between(request.queued_at, transaction.started),
        between(transaction.started, now),
        transaction.frames_in,
        transaction.frames_out,
        request.rejects,
    )
