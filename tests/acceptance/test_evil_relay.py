"""A man in the middle with a relay's whole state and power: nobody signs on whom the user did not
let in, nothing is readable, and the honest device is as good as ever afterwards.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from pam_agent.local_wire import Result
from protocol.limits import (
    CONFIRM_LENGTH,
    CONTEXT_LENGTH,
    DECISION_LENGTH,
    H1_FRAME_LENGTH,
    RECEIPT_LENGTH,
)
from protocol.signon_messages import Verdict
from tests.acceptance.captive import captive
from tests.support.evil_relay import Deed, EvilRelay, Pair, Request
from tests.support.patience import until
from validator.outcomes import Outcome

AEAD_TAG = 16
FRAMES = {
    "H1": H1_FRAME_LENGTH,
    "CONTEXT": 32 + CONTEXT_LENGTH + AEAD_TAG,
    "DECISION": DECISION_LENGTH + AEAD_TAG,
    "RECEIPT": RECEIPT_LENGTH + AEAD_TAG,
    "CONFIRM": CONFIRM_LENGTH + AEAD_TAG,
}
"""The frames of a sign-on in their order, and their lengths."""
SEED = 4817
BITS = 60
"""Flipped in each frame, chosen at random, beside the first and the last ones."""

SPOILED = {
    "H1": (Outcome.NO_SUCH_SIGN_ON, "cancelled"),
    "CONTEXT": (Outcome.NOT_GENUINE, "cancelled"),
    "DECISION": (Outcome.UNKNOWN, "cancelled"),
    "RECEIPT": (Outcome.UNKNOWN, "approved"),
    "CONFIRM": (Outcome.SIGNED_ON, "approved"),
}
"""What device and agent say when the user approved and this frame came through as another one. Only
DECISION lets anybody in; RECEIPT and CONFIRM come after it."""
CUT = SPOILED | {"CONTEXT": (Outcome.NO_SUCH_SIGN_ON, "cancelled")}
"""The same when the connection ends in the place of the frame."""


class Spoil(Deed):
    """Does something with one of the frames in the place of passing it on."""

    def __init__(self, name: str, spoil: Callable[[bytes], bytes | None]) -> None:
        self.name = name
        self.spoil = spoil

    async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
        await self._frame(("H1", "DECISION", "CONFIRM")[number - 1], pair, pair.to_agent, frame)

    async def from_agent(self, pair: Pair, number: int, frame: bytes) -> None:
        await self._frame(("CONTEXT", "RECEIPT")[number - 1], pair, pair.to_validator, frame)

    async def _frame(self, name: str, pair: Pair, pass_on: object, frame: bytes) -> None:
        assert len(frame) == FRAMES[name]
        spoiled = self.spoil(frame) if name == self.name else frame
        if spoiled is None:
            await pair.cut()
        else:
            await pass_on(spoiled)  # type: ignore[operator]


async def test_it_only_reads_along(tmp_path: Path) -> None:
    async with captive(tmp_path) as parts:
        for _ in range(3):
            await parts.check_honest()


@pytest.mark.parametrize("name", FRAMES)
async def test_a_cut_at_every_boundary(tmp_path: Path, name: str) -> None:
    async with captive(tmp_path, Spoil(name, lambda _: None)) as parts:
        assert await parts.sign_on() == CUT[name]
        await parts.check_honest()


@pytest.mark.parametrize("name", FRAMES)
async def test_a_link_cut_at_every_boundary(tmp_path: Path, name: str) -> None:
    async with captive(tmp_path) as parts:

        def cut_link(_: bytes) -> None:
            parts.evil.links[-1].stream.socket.close()

        parts.evil.deed = Spoil(name, cut_link)
        device, agent = await parts.sign_on()
        assert (device is Outcome.SIGNED_ON) <= (agent == "approved")
        assert (agent == "approved") is (name in ("RECEIPT", "CONFIRM"))
        await until(lambda: parts.agent.host.links[0].protocol.up)
        await parts.check_honest()


@pytest.mark.parametrize("name", FRAMES)
async def test_any_bit_of_any_frame(tmp_path: Path, name: str) -> None:
    chance = random.Random(SEED)
    length = 8 * FRAMES[name]
    bits = [0, 7, length - 8, length - 1, *chance.sample(range(length), BITS)]
    async with captive(tmp_path) as parts:
        for bit in bits:

            def flip(frame: bytes, bit: int = bit) -> bytes:
                number = int.from_bytes(frame, "big") ^ 1 << bit
                return number.to_bytes(len(frame), "big")

            parts.evil.deed = Spoil(name, flip)
            assert await parts.sign_on() == SPOILED[name], bit
        await parts.check_honest()


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize(
    "change", [lambda f: f[:-1], lambda f: f + b"\0", lambda f: f[:1], lambda f: f * 20]
)
async def test_other_lengths(tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    async with captive(tmp_path, Spoil(name, lambda frame: change(frame)[:2048])) as parts:
        assert await parts.sign_on() == SPOILED[name]
        await parts.check_honest()


# ---- replays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FRAMES)
async def test_frames_of_an_earlier_approval_do_not_help_against_a_denial(
    tmp_path: Path, name: str
) -> None:
    async with captive(tmp_path) as parts:
        await parts.check_honest()
        (pair,) = parts.evil.pairs
        old = dict(zip(("H1", "DECISION", "CONFIRM"), pair.ins, strict=True))
        old |= dict(zip(("CONTEXT", "RECEIPT"), pair.outs, strict=True))
        parts.evil.deed = Spoil(name, lambda _: old[name])
        device, agent = await parts.sign_on(Verdict.DENY)
        assert device is not Outcome.SIGNED_ON
        assert agent != "approved"
        await parts.check_honest()


@pytest.mark.parametrize("name", FRAMES)
async def test_every_frame_twice(tmp_path: Path, name: str) -> None:
    class Twice(Spoil):
        async def _frame(self, at: str, pair: Pair, pass_on: object, frame: bytes) -> None:
            for _ in range(2 if at == self.name else 1):
                await pass_on(frame)  # type: ignore[operator]

    async with captive(tmp_path, Twice(name, lambda frame: frame)) as parts:
        device, agent = await parts.sign_on(Verdict.DENY)
        assert device is not Outcome.SIGNED_ON
        assert agent != "approved"
        parts.evil.deed = Twice(name, lambda frame: frame)
        device, agent = await parts.sign_on()
        assert (device is Outcome.SIGNED_ON) <= (agent == "approved")
        await parts.check_honest()


async def test_a_whole_transcript_again_without_the_user(tmp_path: Path) -> None:
    class Again(Deed):
        """Plays a validator whose frames are those of an earlier approval."""

        def __init__(self, frames: list[bytes]) -> None:
            self.frames = frames
            self.tried = trio.Event()

        async def queued(self, evil: EvilRelay, request: Request) -> None:
            await super().queued(evil, request)
            pair = await evil.begin(request, evil.pairs[0].validator, 0)
            await pair.to_agent(*self.frames)
            self.tried.set()

    async with captive(tmp_path, validation=0.5) as parts:
        await parts.check_honest()
        deed = parts.evil.deed = Again(list(parts.evil.pairs[0].ins))
        async with parts.call() as (caller, _):
            await deed.tried.wait()
            assert await caller.result() is Result.DENIED
        await parts.check_honest()


async def test_a_held_back_decision_does_not_fit_the_same_h1_again(tmp_path: Path) -> None:
    """The user approves; the relay keeps DECISION, and opens the sign-on again by the same H1."""
    held: list[bytes] = []

    class Hold(Deed):
        async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
            if number == 1:
                await pair.to_agent(frame)
            else:
                held.append(frame)
                await pair.cut()

    class Reopen(Deed):
        async def queued(self, evil: EvilRelay, request: Request) -> None:
            await super().queued(evil, request)
            old = evil.pairs[0]
            pair = await evil.begin(request, old.validator, 0)
            await pair.to_agent(old.ins[0])

        async def from_agent(self, pair: Pair, number: int, frame: bytes) -> None:
            await pair.to_agent(held[0])  # CONTEXT came: now the old DECISION

    async with captive(tmp_path, Hold()) as parts:
        async with parts.call() as (caller, code):
            parts.evil.deed = Hold()
            async with parts.phone.attempt(code) as attempt:
                await attempt.context()
                parts.evil.deed = Both(Hold(), Reopen())
                await attempt.decide()
                await attempt.gone()
            assert await caller.result() is Result.DENIED
        assert len(parts.evil.pairs) > 2
        await parts.check_honest()


class Both(Deed):
    """What one deed does with the first pair, and another with all that follows."""

    def __init__(self, first: Deed, then: Deed) -> None:
        self.first = first
        self.then = then

    async def queued(self, evil: EvilRelay, request: Request) -> None:
        await self.then.queued(evil, request)

    async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
        await self.first.from_validator(pair, number, frame)

    async def from_agent(self, pair: Pair, number: int, frame: bytes) -> None:
        await self.then.from_agent(pair, number, frame)
