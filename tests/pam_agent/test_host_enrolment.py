"""An enrolment with a real relay, a real store and the validator's real client."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from trio.testing import wait_all_tasks_blocked

from pam_agent.enrolment_events import (
    Compare,
    Enrolled,
    EnrolmentEvent,
    EnrolmentFailure,
    Failed,
    Offered,
)
from pam_agent.enrolments import Enrolments
from pam_agent.host_enrolment import MAX_OPENINGS, HostEnrolment
from pam_agent.local_wire import Result
from pam_agent.server import boot_time
from protocol.enrolment import Offer
from protocol.keys import Mode
from protocol.limits import ENROLMENT_SECONDS, MAX_TAGS
from protocol.signon_messages import Context, SignOnOutcome, Verdict
from relay.limits import Limits
from relay.outcomes import RequestOutcome
from tests.support.bare_validator import bare_validator, is_reset
from tests.support.patience import PATIENCE, until
from tests.support.phone import Phone, enrolled
from tests.support.together import QUICK_HOLD, Together, ends, requeued, timers, together
from validator import client
from validator.choice import Choice
from validator.endings import Ending
from validator.first_answer import NoAnswer
from validator.outcomes import Outcome
from validator.record import Record
from validator.timeline import Timeline


@dataclass
class Administrator:
    """Whoever runs `bartizan-agent enroll`: what is told, and the end."""

    events: list[EnrolmentEvent] = field(default_factory=list)
    more: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def progress(self, event: EnrolmentEvent) -> None:
        self.events.append(event)
        self.more.set()
        self.more = trio.Event()

    async def event(self, number: int) -> EnrolmentEvent:
        with trio.fail_after(PATIENCE):
            while len(self.events) <= number:
                await self.more.wait()
        return self.events[number]

    async def offer(self) -> Offer:
        offered = await self.event(0)
        assert isinstance(offered, Offered)
        return Offer.decode(offered.uri)


@asynccontextmanager
async def enrolling(parts: Together, account: str = "carol") -> AsyncIterator[Administrator]:
    admin = Administrator()

    async def run() -> None:
        with admin.scope:
            await HostEnrolment(parts.agent.host, account, admin.progress).run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield admin


Decide = Callable[[Context], Awaitable[Choice | None]]


def always(verdict: Verdict) -> Decide:
    async def decide(_context: Context) -> Choice | None:
        return Choice(verdict)

    return decide


@dataclass
class NewDevice:
    """A device after E2."""

    record: Record
    compare: str

    async def prove(self, decide: Decide, patience: float = PATIENCE) -> Ending:
        def store(record: Record) -> None:
            self.record = record

        device = client.Device(decide, store, time.time)
        return await client.sign_on(
            self.record, Mode.PROOF, "", device, Timeline(), patience=patience
        )


async def new_device(offer: Offer) -> NewDevice:
    static = X25519PrivateKey.generate()
    found = await client.request_enrolment(offer, "new phone", static)
    assert not isinstance(found, NoAnswer), found
    answer, keys = found
    record = Record.enrolled(offer, static, answer, keys, "new phone", int(time.time()))
    return NewDevice(record, keys.compare)


def outcomes(parts: Together) -> list[str]:
    return [line["outcome"] for line in parts.log.named("enrolment ended")]


async def proved(parts: Together, account: str = "carol") -> int:
    return len(await parts.agent.host.accounts.devices(account))


async def test_from_the_offer_to_the_first_sign_on(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with enrolling(parts) as admin:
            offer = await admin.offer()
            assert offer.host == "web1"
            assert 0 <= offer.expires - time.time() <= ENROLMENT_SECONDS
            device = await new_device(offer)
            assert await admin.event(1) == Compare("new phone", device.compare)
            assert (await device.prove(always(Verdict.APPROVE))).outcome is Outcome.SIGNED_ON
            assert await admin.event(2) == Enrolled("new phone")
        assert outcomes(parts) == ["enrolled"]
        text = json.dumps(parts.log.events, default=str)
        assert "bartizan:" not in text
        assert offer.encode()[20:40] not in text
        assert device.compare not in text
        phone = Phone(device.record, 0)
        async with parts.agent.call("carol") as caller:
            ending = await phone.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.SIGNED_ON
            assert await caller.result() is Result.APPROVED


async def test_what_the_new_device_is_shown(tmp_path: Path) -> None:
    shown: list[Context] = []

    async def decide(context: Context) -> Choice | None:
        shown.append(context)
        return Choice(Verdict.APPROVE)

    async with together(tmp_path) as parts:
        async with enrolling(parts) as admin:
            await (await new_device(await admin.offer())).prove(decide)
        (context,) = shown
        assert (context.user, context.host, context.service) == ("carol", "web1", "enrolment")
        assert context.mode is Mode.PROOF
        assert context.seconds_left > 0


@pytest.mark.parametrize("verdict", [Verdict.DENY, Verdict.REPORT])
async def test_digits_that_differ(tmp_path: Path, verdict: Verdict) -> None:
    async with together(tmp_path) as parts:
        async with enrolling(parts) as admin:
            device = await new_device(await admin.offer())
            await device.prove(always(verdict))
            assert await admin.event(2) == Failed(EnrolmentFailure.NOT_PROVED)
        assert await proved(parts) == 0
        assert outcomes(parts) == ["not-proved"]


async def test_an_offer_works_once(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, enrolling(parts) as admin:
        offer = await admin.offer()
        device = await new_device(offer)
        again = await client.request_enrolment(offer, "thief", X25519PrivateKey.generate())
        assert isinstance(again, NoAnswer)
        await device.prove(always(Verdict.APPROVE))
        assert await admin.event(2) == Enrolled("new phone")


async def test_somebody_without_the_secret(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, enrolling(parts) as admin:
        offer = await admin.offer()
        for frame in (bytes(400), b"x"):
            async with bare_validator(parts.relay, offer.tag, frame, b"more") as connection:
                await is_reset(connection)
        await (await new_device(offer)).prove(always(Verdict.APPROVE))
        assert await admin.event(2) == Enrolled("new phone")


async def test_a_connection_that_breaks_before_e1(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, enrolling(parts) as admin:
        offer = await admin.offer()
        for count in (1, 2, 3):
            async with bare_validator(parts.relay, offer.tag):
                await wait_all_tasks_blocked(0.02)
            await requeued(parts.relay, count)
        await (await new_device(offer)).prove(always(Verdict.APPROVE))
        assert await admin.event(2) == Enrolled("new phone")


async def test_such_connections_are_bounded(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts, enrolling(parts) as admin:
        offer = await admin.offer()
        for count in range(1, MAX_OPENINGS + 2):
            async with bare_validator(parts.relay, offer.tag):
                await wait_all_tasks_blocked(0.005)
            if count <= MAX_OPENINGS:
                await requeued(parts.relay, count)
        found = await client.request_enrolment(offer, "late", X25519PrivateKey.generate())
        assert isinstance(found, NoAnswer)
        admin.scope.cancel()


async def test_nobody_comes(tmp_path: Path) -> None:
    asleep = 0.0
    async with together(tmp_path, clock=lambda: boot_time() + asleep) as parts:
        async with enrolling(parts) as admin:
            offer = await admin.offer()
            asleep = ENROLMENT_SECONDS
            async with bare_validator(parts.relay, offer.tag):  # a wake-up, no device
                assert await admin.event(1) == Failed(EnrolmentFailure.EXPIRED)
        assert outcomes(parts) == ["expired"]


async def test_a_device_that_does_not_come_back(tmp_path: Path) -> None:
    async with together(tmp_path, timers=timers(validation=0.2)) as parts:
        async with enrolling(parts) as admin:
            await new_device(await admin.offer())
            assert await admin.event(2) == Failed(EnrolmentFailure.NOT_PROVED)
        assert await proved(parts) == 0


async def test_no_relay(tmp_path: Path) -> None:
    async with together(tmp_path, limits=Limits(longest_ttl=60)) as parts:
        async with enrolling(parts) as admin:
            assert await admin.event(0) == Failed(EnrolmentFailure.UNAVAILABLE)
        assert outcomes(parts) == ["unavailable"]


async def test_an_administrator_who_leaves(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with enrolling(parts) as admin:
            await admin.offer()
            admin.scope.cancel()
        assert outcomes(parts) == ["cancelled"]
        assert len(admin.events) == 1
        await until(lambda: ends(parts.relay) == [RequestOutcome.WITHDRAWN])


async def test_an_account_with_as_many_devices_as_it_can_have(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        for _ in range(MAX_TAGS):
            await enrolled(parts.agent.host, "carol")
        async with enrolling(parts) as admin:
            offer = await admin.offer()
            found = await client.request_enrolment(offer, "ninth", X25519PrivateKey.generate())
            assert isinstance(found, NoAnswer)
            assert await admin.event(1) == Failed(EnrolmentFailure.TOO_MANY_DEVICES)
        assert outcomes(parts) == ["too-many-devices"]


# ---- on the disk before the device hears of it ---------------------------------------------------


async def test_a_device_is_told_of_its_enrolment_when_that_is_stored(tmp_path: Path) -> None:
    async with together(tmp_path) as parts, enrolling(parts) as admin:
        device = await new_device(await admin.offer())
        assert len(await Enrolments(parts.agent.host.accounts.store).list_devices()) == 2
        phone = Phone(device.record, 0)
        await admin.event(1)
        async with phone.attempt("", mode=Mode.PROOF) as attempt:
            await attempt.context()
            assert await attempt.outcome() is SignOnOutcome.SIGNED_ON
            assert await proved(parts) == 1  # CONFIRM has not been sent
            await attempt.confirm()


async def test_others_that_were_quicker_leave_no_room(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        for _ in range(MAX_TAGS - 1):
            await enrolled(parts.agent.host, "carol")
        async with enrolling(parts) as admin:
            device = await new_device(await admin.offer())

            async def decide(_context: Context) -> Choice | None:
                await enrolled(parts.agent.host, "carol")
                return Choice(Verdict.APPROVE)

            assert (await device.prove(decide)).outcome is Outcome.UNKNOWN
            assert await admin.event(2) == Failed(EnrolmentFailure.TOO_MANY_DEVICES)
        assert await proved(parts) == MAX_TAGS


async def test_a_revocation_before_the_proof(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with enrolling(parts) as admin:
            device = await new_device(await admin.offer())

            async def decide(_context: Context) -> Choice | None:
                await Enrolments(parts.agent.host.accounts.store).revoke("carol", None, 0)
                return Choice(Verdict.APPROVE)

            assert (await device.prove(decide)).outcome is Outcome.DISABLED
            assert await admin.event(2) == Failed(EnrolmentFailure.NOT_PROVED)
        assert await proved(parts) == 0


async def test_a_store_that_fails_at_e1_answers_nothing(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        async with enrolling(parts) as admin:
            offer = await admin.offer()
            parts.agent.host.accounts.store.db.execute("PRAGMA query_only = ON")
            found = await client.request_enrolment(offer, "phone", X25519PrivateKey.generate())
            assert isinstance(found, NoAnswer)
            assert await admin.event(1) == Failed(EnrolmentFailure.STORE)
        assert outcomes(parts) == ["store"]


async def test_a_store_that_fails_at_the_proof_promises_nothing(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with enrolling(parts) as admin:
            device = await new_device(await admin.offer())

            async def decide(_context: Context) -> Choice | None:
                parts.agent.host.accounts.store.db.execute("PRAGMA query_only = ON")
                return Choice(Verdict.APPROVE)

            assert (await device.prove(decide)).outcome is Outcome.UNKNOWN
            assert await admin.event(2) == Failed(EnrolmentFailure.STORE)
        parts.agent.host.accounts.store.db.execute("PRAGMA query_only = OFF")
        assert await proved(parts) == 0
