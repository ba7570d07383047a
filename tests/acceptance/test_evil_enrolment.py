"""An enrolment through an evil relay: it reads nothing, and what it changes enrols nobody."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.enrolment_events import Compare, Enrolled, EnrolmentEvent, Failed, Offered
from pam_agent.host_enrolment import HostEnrolment
from protocol.enrolment import Offer
from protocol.keys import Mode
from protocol.signon_messages import Context, Verdict
from tests.acceptance.captive import HOST, Captive, captive
from tests.support.evil_relay import Deed, Pair
from validator import client
from validator.choice import Choice
from validator.first_answer import NoAnswer
from validator.outcomes import Outcome
from validator.record import Record
from validator.timeline import Timeline

ACCOUNT = "carol.cooper"
DEVICE = "carol's new telephone"
SEED = 4818
BITS = 20


async def approve(_context: Context) -> Choice | None:
    return Choice(Verdict.APPROVE)


async def enrol(parts: Captive) -> tuple[list[EnrolmentEvent], Outcome | None]:
    """One enrolment of a new device: the administrator's events, and the end of the proof."""
    events: list[EnrolmentEvent] = []
    outcome: Outcome | None = None
    async with trio.open_nursery() as nursery:

        async def progress(event: EnrolmentEvent) -> None:
            events.append(event)
            if isinstance(event, Offered):
                nursery.start_soon(use, Offer.decode(event.uri))

        async def use(offer: Offer) -> None:
            nonlocal outcome
            static = X25519PrivateKey.generate()
            found = await client.request_enrolment(offer, DEVICE, static)
            if isinstance(found, NoAnswer):
                nursery.cancel_scope.cancel()
                return
            record = Record.enrolled(offer, static, *found, DEVICE, int(time.time()))
            device = client.Device(approve, lambda _: None, time.time)
            ending = await client.sign_on(record, Mode.PROOF, "", device, Timeline(), patience=5)
            outcome = ending.outcome

        await HostEnrolment(parts.agent.host, ACCOUNT, progress).run()
    return events, outcome


async def test_it_reads_nothing(tmp_path: Path) -> None:
    async with captive(tmp_path) as parts:
        events, outcome = await enrol(parts)
        assert outcome is Outcome.SIGNED_ON
        offered, compare, last = events
        assert last == Enrolled(DEVICE)
        assert isinstance(offered, Offered)
        assert isinstance(compare, Compare)
        offer = Offer.decode(offered.uri)
        (device,) = await parts.agent.host.accounts.devices(ACCOUNT)
        secrets = (offer.secret, device.rendezvous_root, device.ratchet.current.root)
        names = (ACCOUNT, DEVICE, HOST, compare.digits)
        seen = bytes(parts.evil.seen)
        for secret in (*secrets, device.public, *(name.encode() for name in names)):
            assert secret not in seen
        await parts.check_honest()


class Flip(Deed):
    """Flips one bit of E1 or E2."""

    def __init__(self, bit: int, *, of_e1: bool) -> None:
        self.bit = bit
        self.of_e1 = of_e1

    async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
        await self._pass(pair.to_agent, frame, self.of_e1)

    async def from_agent(self, pair: Pair, number: int, frame: bytes) -> None:
        await self._pass(pair.to_validator, frame, not self.of_e1)

    async def _pass(self, pass_on: Callable[..., object], frame: bytes, flipped: bool) -> None:
        if flipped:
            number = int.from_bytes(frame, "big") ^ 1 << self.bit % (8 * len(frame))
            frame = number.to_bytes(len(frame), "big")
        await pass_on(frame)  # type: ignore[misc]


@pytest.mark.parametrize("of_e1", [True, False])
async def test_any_bit(tmp_path: Path, of_e1: bool) -> None:
    chance = random.Random(SEED)
    async with captive(tmp_path, validation=0.1) as parts:
        for _ in range(BITS):
            parts.evil.deed = Flip(chance.randrange(8 * 4096), of_e1=of_e1)
            events, outcome = await enrol(parts)
            assert outcome is None
            assert not any(isinstance(event, Enrolled | Failed) for event in events)
            assert len(events) == (1 if of_e1 else 2)  # with E2 an unproved device is there
            assert await parts.agent.host.accounts.devices(ACCOUNT) == ()
        await parts.check_honest()


async def test_an_offer_that_was_cut_off_works_again(tmp_path: Path) -> None:
    class CutFirst(Deed):
        def __init__(self) -> None:
            self.cuts = 0

        async def from_validator(self, pair: Pair, number: int, frame: bytes) -> None:
            self.cuts += 1
            if self.cuts == 1:
                await pair.cut()
            else:
                await pair.to_agent(frame)

    async with captive(tmp_path, CutFirst()) as parts:
        events: list[EnrolmentEvent] = []
        outcomes: list[object] = []
        async with trio.open_nursery() as nursery:

            async def progress(event: EnrolmentEvent) -> None:
                events.append(event)
                if isinstance(event, Offered):
                    nursery.start_soon(use, Offer.decode(event.uri))

            async def use(offer: Offer) -> None:
                for _ in range(2):
                    static = X25519PrivateKey.generate()
                    outcomes.append(await client.request_enrolment(offer, DEVICE, static))
                nursery.cancel_scope.cancel()

            await HostEnrolment(parts.agent.host, ACCOUNT, progress).run()
        assert [isinstance(each, NoAnswer) for each in outcomes] == [True, False]
        await parts.check_honest()
