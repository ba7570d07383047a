"""An evil relay that mixes sign-ons up, holds frames back, and plays the parts of others."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from pam_agent.local_wire import Result
from protocol.limits import CONTEXT_LENGTH, H1_FRAME_LENGTH
from protocol.signon_messages import SignOnOutcome, Verdict
from tests.acceptance.captive import Captive, captive
from tests.support.evil_relay import Deed, EvilRelay, Pair, Request, Validator
from tests.support.patience import PATIENCE, until
from tests.support.phone import Phone, enrolled
from validator.outcomes import Outcome

OTHER_USER = "mallory.miller"


# ---- swapped -------------------------------------------------------------------------------------


class SwapPairs(Deed):
    """Two validators: each is paired with the other's request."""

    def __init__(self) -> None:
        self.waiting: list[Validator] = []
        self.both = trio.Event()

    async def came(self, evil: EvilRelay, validator: Validator) -> Request | None:
        self.waiting.append(validator)
        if len(self.waiting) == 2:
            self.both.set()
        await self.both.wait()
        one, two = self.waiting[:2]
        return await evil.request_for((two if validator is one else one).tag)


@dataclass
class SwapFrames(Deed):
    """Two sign-ons: from one of their messages on, each side gets those of the other one."""

    first: int
    """1 is H1, 5 is CONFIRM."""
    pairs: list[Pair] = field(default_factory=list)
    _there: dict[tuple[int, Pair], trio.Event] = field(default_factory=dict)

    async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
        other = await self._other(pair, 2 * number - 1)
        await other.to_agent(frame)

    async def from_agent(self, pair: Pair, number: int, frame: bytes) -> None:
        other = await self._other(pair, 2 * number)
        await other.to_validator(frame)

    async def _other(self, pair: Pair, step: int) -> Pair:
        """Where to send message `step` of `pair`, once the other sign-on is as far, if it gets."""
        if pair not in self.pairs:
            self.pairs.append(pair)
        self._there.setdefault((step, pair), trio.Event()).set()
        if step < self.first:
            return pair
        with trio.move_on_after(PATIENCE):
            await until(lambda: len(self.pairs) == 2)
            other = self.pairs[1 - self.pairs.index(pair)]
            await self._there.setdefault((step, other), trio.Event()).wait()
            return other
        return pair


async def two_sign_ons(parts: Captive, other: Phone) -> dict[str, str]:
    """Our user approves, the other one denies, at the same time; the ends in the agent's log."""
    verdicts = {parts.phone: Verdict.APPROVE, other: Verdict.DENY}

    async def one(phone: Phone, verdict: Verdict) -> None:
        async with parts.call(phone.record.user) as (_, code):
            ending = await phone.sign_on(code, verdict)
            assert (ending.outcome is Outcome.SIGNED_ON) <= (verdict is Verdict.APPROVE)

    async with trio.open_nursery() as nursery:
        for phone, verdict in verdicts.items():
            nursery.start_soon(one, phone, verdict)
    await parts.agent.idle()
    return {line["user"]: line["outcome"] for line in parts.log.named("sign-on ended")}


async def test_swapped_pairs(tmp_path: Path) -> None:
    async with captive(tmp_path) as parts:
        other = await enrolled(parts.agent.host, OTHER_USER)
        parts.evil.deed = SwapPairs()
        assert "approved" not in (await two_sign_ons(parts, other)).values()
        await parts.check_honest()


async def test_swapped_devices_of_one_user(tmp_path: Path) -> None:
    """Two sign-ons of one account, approved on one device and denied on the other."""
    async with captive(tmp_path) as parts:
        other = await enrolled(parts.agent.host, parts.phone.record.user, "tablet")
        parts.evil.deed = SwapPairs()
        assert "approved" not in (await two_sign_ons(parts, other)).values()
        await parts.check_honest()


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
async def test_swapped_frames(tmp_path: Path, first: int) -> None:
    async with captive(tmp_path) as parts:
        other = await enrolled(parts.agent.host, OTHER_USER)
        parts.evil.deed = SwapFrames(first)
        ends = await two_sign_ons(parts, other)
        assert ends[OTHER_USER] != "approved"
        # RECEIPT and CONFIRM come after the user's own approval.
        assert (ends[parts.phone.record.user] == "approved") is (first > 3)
        await parts.check_honest()


# ---- held back -----------------------------------------------------------------------------------


@dataclass
class HoldBack(Deed):
    """Keeps one of the validator's frames of the first pair until it is told to let it go."""

    number: int
    held: trio.Event = field(default_factory=trio.Event)
    go: trio.Event = field(default_factory=trio.Event)

    async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
        if pair is pair.validator.evil.pairs[0] and number == self.number:
            self.held.set()
            await self.go.wait()
        await pair.to_agent(frame)


async def test_a_decision_held_back_past_another_sign_on(tmp_path: Path) -> None:
    """No approval, and no clone alarm either: the device has done nothing wrong."""
    deed = HoldBack(2)
    async with captive(tmp_path, deed) as parts:
        async with parts.call() as (caller, code), parts.phone.attempt(code) as attempt:
            await attempt.context()
            await attempt.decide()
            await deed.held.wait()
            async with parts.call() as (other, second):
                assert (await parts.phone.sign_on(second)).outcome is Outcome.SIGNED_ON
                assert await other.result() is Result.APPROVED
            deed.go.set()
            assert await caller.result() is Result.DENIED
        await parts.check_honest()
        assert "overtaken" in [line["outcome"] for line in parts.log.named("sign-on ended")]


async def test_a_decision_held_back_until_it_is_too_late(tmp_path: Path) -> None:
    deed = HoldBack(2)
    async with captive(tmp_path, deed, acknowledgement=0.3) as parts:
        async with parts.call() as (caller, code), parts.phone.attempt(code) as attempt:
            await attempt.context()
            await attempt.decide()
            assert await caller.result() is Result.DENIED
            deed.go.set()
            assert (await attempt.receipt()).outcome is SignOnOutcome.TOO_LATE
            await attempt.confirm()
        await parts.check_honest()


async def test_an_h1_held_back_until_it_is_too_late(tmp_path: Path) -> None:
    deed = HoldBack(1)
    async with captive(tmp_path, deed, validation=0.3) as parts:
        async with parts.call() as (caller, code), parts.phone.attempt(code) as attempt:
            assert await caller.result() is Result.DENIED
            deed.go.set()
            await attempt.gone()
        await parts.check_honest()


async def test_an_h1_held_back_past_another_sign_on(tmp_path: Path) -> None:
    """Under a generation that was retired meanwhile: nothing follows from an H1 alone."""
    deed = HoldBack(1)
    async with captive(tmp_path, deed) as parts:
        async with parts.call() as (caller, code), parts.phone.attempt(code) as attempt:
            await deed.held.wait()
            for _ in range(2):
                async with parts.call() as (other, second):
                    assert (await parts.phone.sign_on(second)).outcome is Outcome.SIGNED_ON
                    assert await other.result() is Result.APPROVED
            deed.go.set()
            await attempt.context()
            assert (await parts.agent.host.accounts.device(parts.phone.device_id)).disabled is None
            await caller.stream.aclose()
        await parts.check_honest()


# ---- played --------------------------------------------------------------------------------------


async def test_it_plays_the_validator(tmp_path: Path) -> None:
    class Nobody(Validator):
        async def cut(self) -> None:
            """There is no connection."""

    class Invent(Deed):
        async def queued(self, evil: EvilRelay, request: Request) -> None:
            await super().queued(evil, request)
            nobody = Nobody(evil, evil.links[0].stream, 1)
            for _ in range(5):
                pair = await evil.begin(request, nobody, 0)
                await pair.to_agent(secrets.token_bytes(H1_FRAME_LENGTH), bytes(272))
                await until(lambda: request.pair is None)

    async with captive(tmp_path, Invent()) as parts:
        async with parts.call() as (caller, code):
            await until(lambda: len(parts.evil.pairs) == 5 and not parts.evil.requests[0].pair)
            parts.evil.deed = Deed()
            assert (await parts.phone.sign_on(code)).outcome is Outcome.SIGNED_ON
            assert await caller.result() is Result.APPROVED
        await parts.check_honest()


async def test_it_plays_the_agent(tmp_path: Path) -> None:
    """The device tells its user that this is not the host, and says nothing of the decision."""

    class Invent(Deed):
        async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
            await pair.to_validator(secrets.token_bytes(32 + CONTEXT_LENGTH + 16))

    async with captive(tmp_path, Invent()) as parts:
        assert await parts.sign_on() == (Outcome.NOT_GENUINE, "cancelled")
        assert [len(pair.ins) for pair in parts.evil.pairs] == [1]
        assert parts.phone.contexts == []
        await parts.check_honest()
