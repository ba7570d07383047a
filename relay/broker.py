"""pure. The demultiplexer: a request, a validator, bytes, an EOF or a deadline arrives, and it
says what happens.

Every method is one synchronous step, so pairing is atomic without a lock. Times are seconds of one
steady clock and are passed in. What is to be done to sockets is left on the ends themselves (`out`,
`fate`) and their names in `touched`; what is to be logged is left in `records`.

Must not know what is inside a frame: it counts frames and forwards them.
"""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import messages
from protocol.agent_auth import RelayHandshake
from protocol.errors import ProtocolError
from protocol.frames import decode_preface, encode_frame
from protocol.limits import (
    LINK_SILENCE,
    MAX_REJECTS,
    MAX_TRANSACTION_BYTES,
    MAX_TRANSACTION_FRAMES,
    PING_INTERVAL,
    PREFACE_LENGTH,
)
from protocol.messages import (
    FROM_AGENT,
    FROM_VALIDATOR,
    Attach,
    Attached,
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Drain,
    Hello,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from relay.deadlines import Deadlines
from relay.ends import (
    Fate,
    Link,
    LinkState,
    Request,
    Transaction,
    Validator,
    ValidatorState,
)
from relay.limits import Limits
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.pending import Pending
from relay.records import LinkEnded, LinkUp, Record, RequestEnded, ValidatorEnded

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


class Broker:
    """All requests, transactions and connections of one relay."""

    def __init__(
        self,
        limits: Limits,
        key: X25519PrivateKey,
        agents: Mapping[bytes, str],
        jitter: Callable[[], float],
    ) -> None:
        """`agents` maps link public keys (32 bytes) to names. `jitter` gives numbers of 0 to 1."""
        self.limits = limits
        self.agents = agents
        self.touched: set[Link | Validator] = set()
        self.records: list[Record] = []
        self.links: dict[Link, None] = {}
        self.transactions = 0
        self.requests = 0
        self._unpaired: dict[Validator, None] = {}
        self._requests_of: dict[str, int] = {}
        self._key: Final = key
        self._jitter: Final = jitter
        self._pending: Final = Pending()
        self._deadlines: Deadlines[Link | Validator | Request] = Deadlines()
        self._draining = False
        self._on_message: Final[Mapping[type[Message], Callable[..., None]]] = {
            AuthRequest: self._auth_request,
            Data: self._data_from_agent,
            Reject: self._reject,
            Close: self._close_from_agent,
            Ping: self._ping,
            Pong: self._pong,
        }

    # ---- agents' links ---------------------------------------------------------------------------

    def link_opened(self, peer_uid: int | None, trusted: frozenset[int], now: float) -> Link:
        """`peer_uid` is None on TCP, where a key must be proved."""
        link = Link(peer_uid, trusted, now)
        self.links[link] = None
        self._arm(link, now + self.limits.link_setup)
        if len(self.links) > self.limits.links:
            self._end_link(link, LinkOutcome.OVERLOADED, now)
        return link

    def link_bytes(self, link: Link, data: bytes, now: float) -> None:
        if link.state is LinkState.ENDED:
            return
        link.heard = now
        link.pinged = False
        link.reader.feed(data)
        try:
            self._read_link(link, now)
        except ProtocolError:
            self._end_link(link, LinkOutcome.MALFORMED, now)

    def link_gone(self, link: Link, now: float) -> None:
        """The agent closed its link, or the network did."""
        self._end_link(link, LinkOutcome.CLOSED, now)

    def _read_link(self, link: Link, now: float) -> None:
        reader = link.reader
        if link.state is LinkState.PREFACE:
            preface = reader.take(PREFACE_LENGTH)
            if preface is None:
                return
            decode_preface(preface)
            link.state = LinkState.HELLO
        while link.state is not LinkState.ENDED and (body := reader.next_frame()) is not None:
            message = messages.decode(body, FROM_AGENT)
            if link.state is LinkState.UP:
                handle = self._on_message.get(type(message))
                if handle is None:
                    raise ProtocolError("message after the link's set-up")
                handle(link, message, now)
            else:
                self._set_up(link, message, now)

    def _set_up(self, link: Link, message: Message, now: float) -> None:
        match link.state, message:
            case LinkState.HELLO, Hello() if link.peer_uid is not None:
                if link.peer_uid in link.trusted:
                    self._attached(link, f"uid:{link.peer_uid}", now)
                else:
                    self._end_link(link, LinkOutcome.REFUSED, now)
            case LinkState.HELLO, Hello():
                name = self.agents.get(message.link_key)
                link.agent = name or ""
                link.handshake = RelayHandshake(self._key)
                link.state = LinkState.ATTACH
                self._send(link, link.handshake.hello(message, name is not None), now)
            case LinkState.ATTACH, Attach():
                if link.handshake is not None and link.handshake.attach(message):
                    self._attached(link, link.agent, now)
                else:
                    link.agent = ""
                    self._end_link(link, LinkOutcome.REFUSED, now)
            case _:
                raise ProtocolError("message out of place in the link's set-up")

    def _attached(self, link: Link, agent: str, now: float) -> None:
        link.attached(agent)
        self._arm(link, now + PING_INTERVAL)
        limits = self.limits
        self._send(link, Attached(limits.requests_per_agent, limits.longest_ttl), now)
        if self._draining:
            self._send(link, Drain(), now)
        self.records.append(LinkUp(agent))

    def _ping(self, link: Link, _ping: Ping, now: float) -> None:
        self._send(link, Pong(), now)

    def _pong(self, link: Link, _pong: Pong, now: float) -> None:
        """That it was heard is all there is to it."""

    def _send(self, link: Link, message: Message, now: float) -> None:
        if link.state is LinkState.ENDED:
            return
        link.out += encode_frame(messages.encode(message))
        self.touched.add(link)
        if len(link.out) > self.limits.link_buffer:
            self._end_link(link, LinkOutcome.OVERFLOW, now)

    def _end_link(self, link: Link, outcome: LinkOutcome, now: float) -> None:
        if link.state is LinkState.ENDED:
            return
        link.state = LinkState.ENDED
        link.fate = Fate.CLOSE if outcome is LinkOutcome.DRAINED else Fate.RESET
        self._deadlines.remove(link, link.deadline)
        del self.links[link]
        self.touched.add(link)
        ended = list(link.requests.values())
        for request in ended:
            self._end_request(request, RequestOutcome.AGENT_GONE, now)
        self.records.append(LinkEnded(outcome, link.agent, now - link.opened, len(ended)))

    # ---- requests --------------------------------------------------------------------------------

    def _auth_request(self, link: Link, message: AuthRequest, now: float) -> None:
        refusal = self._refusal(link, message)
        if refusal is not None:
            self._send(link, Refused(message.request, refusal), now)
            return
        for tag in message.tags:
            old = self._pending.request(tag)
            if old is not None:
                self._end_request(old, RequestOutcome.REPLACED, now)
        expires = now + message.ttl
        request = Request(link, message.request, message.sign_on_id, message.tags, now, expires)
        link.requests[request.number] = request
        self.requests += 1
        self._requests_of[link.agent] = self._requests_of.get(link.agent, 0) + 1
        self._pending.add_request(request)
        self._deadlines.add(request, expires)
        self._send(link, Queued(request.number), now)
        self._offer(request, now)

    def _refusal(self, link: Link, message: AuthRequest) -> RefusedReason | None:
        limits = self.limits
        if self._draining:
            return RefusedReason.DRAINING
        if not 1 <= message.ttl <= limits.longest_ttl:
            return RefusedReason.TTL
        if message.request in link.requests:
            return RefusedReason.DUPLICATE
        for tag in message.tags:
            other = self._pending.request(tag)
            if other is not None and other.link.agent != link.agent:
                return RefusedReason.DUPLICATE
        if self._requests_of.get(link.agent, 0) >= limits.requests_per_agent:
            return RefusedReason.QUOTA
        if self.requests >= limits.requests:
            return RefusedReason.OVERLOADED
        return None

    def _offer(self, request: Request, now: float) -> None:
        """Pair a request that waits with a validator that already does."""
        validator = self._pending.validator_for(request)
        if validator is not None and request.link.state is not LinkState.ENDED:
            self._pending.remove_validator(validator)
            self._pair(request, validator, now)

    def _end_request(self, request: Request, outcome: RequestOutcome, now: float) -> None:
        """The end of a request and of its transaction, told to whoever is still there."""
        link = request.link
        if link.requests.get(request.number) is not request:
            return
        del link.requests[request.number]
        self.requests -= 1
        left = self._requests_of[link.agent] - 1
        if left:
            self._requests_of[link.agent] = left
        else:
            del self._requests_of[link.agent]
        self._pending.remove_request(request)
        self._deadlines.remove(request, request.expires)
        self.records.append(_request_ended(request, outcome, now))
        reason = _CLOSE_REASON.get(outcome)
        if reason is not None:
            self._send(link, Close(request.number, reason), now)
        if request.transaction is not None:
            validator = self._unpair(request.transaction)
            if outcome in (RequestOutcome.DONE, RequestOutcome.VALIDATOR_GONE):
                self._finish(validator, Fate.CLOSE)
            else:
                self._put_out(validator, None, now)

    # ---- validators ------------------------------------------------------------------------------

    def validator_opened(self, address: str, now: float) -> Validator:
        """`address` is `host:port` as the relay sees it."""
        limits = self.limits
        release = now + limits.hold + limits.hold_jitter * self._jitter()
        validator = Validator(address, now, release)
        self._deadlines.add(validator, release)
        if len(self._unpaired) >= limits.unpaired:
            self._dismiss(next(iter(self._unpaired)), ValidatorOutcome.EVICTED, now)
        self._unpaired[validator] = None
        return validator

    def validator_bytes(self, validator: Validator, data: bytes, now: float) -> None:
        if not validator.reading:
            return
        validator.reader.feed(data)
        if validator.transaction is not None:
            self._forward(validator, now)
            return
        try:
            tag = self._read_tag(validator)
        except ProtocolError:
            self._put_out(validator, ValidatorOutcome.MALFORMED, now)
        else:
            if tag is not None:
                self._match(validator, tag, now)

    def validator_gone(self, validator: Validator, now: float) -> None:
        """The validator closed its connection, or the network did."""
        if validator.transaction is not None:
            self._end_request(validator.transaction.request, RequestOutcome.VALIDATOR_GONE, now)
        elif validator.state is ValidatorState.HELD:
            self._dismiss(validator, validator.outcome, now)
        elif validator.state is not ValidatorState.ENDED:
            self._dismiss(validator, ValidatorOutcome.LEFT, now)

    def validator_blocked(self, validator: Validator, now: float) -> None:
        """Its socket takes no more; from now on the send timeout runs."""
        if validator.blocked_since is None and validator.state is ValidatorState.PAIRED:
            validator.blocked_since = now
            self._arm(validator, min(validator.deadline, now + self.limits.send_timeout))

    def _read_tag(self, validator: Validator) -> bytes | None:
        """The tag of AuthValidate, or None when more bytes are needed. Raises ProtocolError."""
        if validator.state is ValidatorState.PREFACE:
            preface = validator.reader.take(PREFACE_LENGTH)
            if preface is None:
                return None
            decode_preface(preface)
            validator.state = ValidatorState.AUTH_VALIDATE
        body = validator.reader.next_frame()
        if body is None:
            return None
        return messages.decode(body, FROM_VALIDATOR).tag

    def _match(self, validator: Validator, tag: bytes, now: float) -> None:
        validator.tag = tag
        request = self._pending.request(tag)
        if request is not None and request.transaction is None:
            self._pair(request, validator, now)
        else:
            validator.state = ValidatorState.UNMATCHED
            validator.outcome = ValidatorOutcome.UNMATCHED
            self._pending.add_validator(validator)
            self.touched.add(validator)

    def _pair(self, request: Request, validator: Validator, now: float) -> None:
        if self.transactions >= self.limits.transactions:
            self._put_out(validator, ValidatorOutcome.OVERLOADED, now)
            return
        del self._unpaired[validator]
        self.transactions += 1
        request.transaction = Transaction(request, validator, now)
        validator.paired(request.transaction)
        self.touched.add(validator)
        paired = Paired(request.number, request.tags.index(validator.tag), validator.address)
        self._send(request.link, paired, now)
        self._forward(validator, now)

    def _unpair(self, transaction: Transaction) -> Validator:
        self.transactions -= 1
        transaction.request.transaction = None
        validator = transaction.validator
        validator.transaction = None
        self._unpaired[validator] = None
        return validator

    def _put_out(self, validator: Validator, outcome: ValidatorOutcome | None, now: float) -> None:
        """This validator was no good. It learns nothing, and that always at the same moment.

        `outcome` is None when its transaction's record says all there is to say.
        """
        validator.outcome = outcome
        validator.state = ValidatorState.HELD
        validator.out.clear()
        self.touched.add(validator)
        if validator.answered or now >= validator.release:
            self._dismiss(validator, outcome, now)

    def _dismiss(self, validator: Validator, outcome: ValidatorOutcome | None, now: float) -> None:
        """Reset a validator that is in no transaction."""
        self._pending.remove_validator(validator)
        if outcome is not None:
            lasted = now - validator.opened
            self.records.append(ValidatorEnded(outcome, validator.address, lasted))
        self._finish(validator, Fate.RESET)

    def _finish(self, validator: Validator, fate: Fate) -> None:
        validator.state = ValidatorState.ENDED
        validator.fate = fate
        self._unpaired.pop(validator, None)
        self._deadlines.remove(validator, validator.deadline)
        self.touched.add(validator)

    # ---- transactions ----------------------------------------------------------------------------

    def _forward(self, validator: Validator, now: float) -> None:
        """Everything whole that the validator sent goes to the agent, within the caps."""
        while (transaction := validator.transaction) is not None:
            try:
                frame = validator.reader.next_frame()
            except ProtocolError:
                self._end_request(transaction.request, RequestOutcome.MALFORMED, now)
                return
            if frame is None:
                return
            transaction.active = now
            transaction.frames_in += 1
            transaction.bytes_in += len(frame)
            request = transaction.request
            if (
                transaction.frames_in > MAX_TRANSACTION_FRAMES
                or transaction.bytes_in > MAX_TRANSACTION_BYTES
            ):
                self._end_request(request, RequestOutcome.FRAMES, now)
            else:
                self._send(request.link, Data(request.number, frame), now)

    def _data_from_agent(self, link: Link, message: Data, now: float) -> None:
        request = link.requests.get(message.request)
        if request is None:
            return  # it has just ended here, and the agent does not know yet
        transaction = request.transaction
        if transaction is None:
            raise ProtocolError("Data for a request that is not paired")
        transaction.active = now
        transaction.frames_out += 1
        transaction.bytes_out += len(message.frame)
        if (
            transaction.frames_out > MAX_TRANSACTION_FRAMES
            or transaction.bytes_out > MAX_TRANSACTION_BYTES
        ):
            self._end_request(request, RequestOutcome.FRAMES, now)
            return
        validator = transaction.validator
        validator.answered = True
        validator.out += encode_frame(message.frame)
        self.touched.add(validator)

    def _reject(self, link: Link, message: Reject, now: float) -> None:
        request = link.requests.get(message.request)
        if request is None:
            return
        if request.transaction is None:
            raise ProtocolError("Reject of a request that is not paired")
        self._put_out(self._unpair(request.transaction), ValidatorOutcome.REJECTED, now)
        request.rejects += 1
        if request.rejects > MAX_REJECTS:
            self._end_request(request, RequestOutcome.REJECTED_TOO_OFTEN, now)
        elif now >= request.expires:
            self._end_request(request, RequestOutcome.EXPIRED, now)
        else:
            self._offer(request, now)

    def _close_from_agent(self, link: Link, message: Close, now: float) -> None:
        request = link.requests.get(message.request)
        if message.reason not in (CloseReason.WITHDRAWN, CloseReason.DONE):
            raise ProtocolError("a relay's reason from an agent")
        if request is not None:
            done = message.reason is CloseReason.DONE
            outcome = RequestOutcome.DONE if done else RequestOutcome.WITHDRAWN
            self._end_request(request, outcome, now)

    # ---- time ------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When to call `tick` again at the latest."""
        return self._deadlines.next()

    def tick(self, now: float) -> None:
        """End what is over, look again later at what is not."""
        for thing in self._deadlines.due(now):
            match thing:
                case Request():
                    if thing.transaction is None:
                        self._end_request(thing, RequestOutcome.EXPIRED, now)
                case Validator():
                    self._look_at_validator(thing, now)
                case Link():
                    self._look_at_link(thing, now)

    def _look_at_validator(self, validator: Validator, now: float) -> None:
        transaction = validator.transaction
        if validator.state is ValidatorState.ENDED:
            return
        if transaction is None:
            self._dismiss(validator, validator.outcome, now)
            return
        ends = [
            (transaction.active + self.limits.stall, RequestOutcome.STALLED),
            (transaction.started + self.limits.lifetime, RequestOutcome.LIFETIME),
        ]
        if validator.blocked_since is not None and validator.out:
            timeout = validator.blocked_since + self.limits.send_timeout
            ends.append((timeout, RequestOutcome.NOT_READING))
        when, outcome = min(ends, key=lambda end: end[0])
        if when <= now:
            self._end_request(transaction.request, outcome, now)
        else:
            self._arm(validator, when)

    def _look_at_link(self, link: Link, now: float) -> None:
        if link.state is not LinkState.UP:
            self._end_link(link, LinkOutcome.SLOW_SETUP, now)
        elif now >= link.heard + LINK_SILENCE:
            self._end_link(link, LinkOutcome.SILENT, now)
        else:
            if now >= link.heard + PING_INTERVAL and not link.pinged:
                link.pinged = True
                self._send(link, Ping(), now)
            silent = link.heard + (LINK_SILENCE if link.pinged else PING_INTERVAL)
            self._arm(link, silent)

    def _arm(self, end: Link | Validator, when: float) -> None:
        self._deadlines.remove(end, end.deadline)
        end.deadline = when
        self._deadlines.add(end, when)

    # ---- stopping --------------------------------------------------------------------------------

    def drain(self, now: float) -> None:
        """Take no new requests, and say so to every agent."""
        self._draining = True
        for link in list(self.links):
            if link.state is LinkState.UP:
                self._send(link, Drain(), now)

    @property
    def drained(self) -> bool:
        """Whether nothing is left that draining waits for."""
        return self._draining and not self.transactions

    def stop(self, now: float) -> None:
        """End everything, now."""
        for link in list(self.links):
            for request in list(link.requests.values()):
                self._end_request(request, RequestOutcome.DRAINED, now)
            self._end_link(link, LinkOutcome.DRAINED, now)
        for validator in list(self._unpaired):
            self._dismiss(validator, ValidatorOutcome.DRAINED, now)


def _request_ended(request: Request, outcome: RequestOutcome, now: float) -> RequestEnded:
    transaction = request.transaction
    link = request.link
    if transaction is None:
        waited = now - request.queued_at
        return RequestEnded(
            outcome, link.agent, request.sign_on_id, "", waited, 0.0, 0, 0, request.rejects
        )
    return RequestEnded(
        outcome,
        link.agent,
        request.sign_on_id,
        transaction.validator.address,
        transaction.started - request.queued_at,
        now - transaction.started,
        transaction.frames_in,
        transaction.frames_out,
        request.rejects,
    )
