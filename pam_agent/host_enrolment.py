"""shell. Enrolment of a device: the offer, IKpsk1, and a sign-on that proves the key."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from pam_agent.accounts import DeviceGoneError
from pam_agent.approval import Approval
from pam_agent.enrolment_events import (
    Compare,
    Enrolled,
    EnrolmentEvent,
    EnrolmentFailure,
    Failed,
    Offered,
)
from pam_agent.enrolments import Enrolments, TooManyDevicesError
from pam_agent.explanations import CANCELLED, ENROLLED
from pam_agent.fan_out import FanOut
from pam_agent.host import Host
from pam_agent.link_events import FrameCame, Pairing, WasClosed, WasPaired
from pam_agent.outcomes import SignOnEnd
from pam_agent.records import Device
from pam_agent.relay_link import RequestHandle
from pam_agent.schema import StoreError
from pam_agent.session import Subject
from pam_agent.sign_ons import Kind, Stage, Story
from pam_agent.steps import Steps
from protocol import sign_on_id
from protocol.enrolment import AgentEnrolment, EnrolAnswer, EnrolledKeys, NewDevice, Offer
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import ENROLMENT_SECONDS, KEY_LENGTH, MAX_RELAYS, RANDOM_LENGTH
from protocol.messages import CloseReason
from protocol.signon_messages import Context
from protocol.text import clean

SERVICE: Final = "enrolment"
"""The service in the CONTEXT of the sign-on that proves a new device."""

MAX_OPENINGS: Final = 64
"""How often an offer is queued again after a validator's connection broke before E1: its user may
try for as long as it is valid, but a relay does not keep the agent busy."""

Progress = Callable[[EnrolmentEvent], Awaitable[None]]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class HostEnrolment:
    """One enrolment, from the offer to a proved device."""

    kind: Final = Kind.ENROLMENT

    def __init__(self, host: Host, account: str, progress: Progress) -> None:
        self._host: Final = host
        self._account: Final = account
        self._progress: Final = progress
        self._id: Final = sign_on_id.generate()
        self._offer: Final = Offer(
            agent_public=host.identity.static.public_key().public_bytes_raw(),
            secret=secrets.token_bytes(KEY_LENGTH),
            expires=int(host.wall_clock()) + ENROLMENT_SECONDS,
            shard=host.identity.shard,
            relays=host.validators[:MAX_RELAYS],
            host=host.label,
        )
        self._deadline: Final = host.clock() + ENROLMENT_SECONDS
        self._requests: Final = FanOut(host, self._id, (self._offer.tag,))
        self._steps: Final = Steps(host.clock())
        self._outcome = CANCELLED
        self._device_name = ""

    async def run(self) -> None:
        """The last event is Enrolled or Failed, unless it is cancelled; one log line at the end."""
        self._host.sign_ons.begin(self._short_id, self)
        try:
            last = await self._enrol()
            self._outcome = last.reason.value if isinstance(last, Failed) else ENROLLED
        finally:
            self._requests.withdraw()
            self._mark("ended")
            self._host.sign_ons.end(self.story(), self._host.clock())
            _log.info(
                "enrolment ended",
                sign_on_id=self._short_id,
                user=self._account,
                outcome=self._outcome,
            )
        await self._progress(last)

    @property
    def stage(self) -> Stage:
        steps = self._steps.at
        if "ended" in steps:
            return Stage.FINISHING
        if "came" in steps:
            return Stage.RUNNING
        return Stage.WAITING if "queued" in steps else Stage.QUEUEING

    def story(self) -> Story:
        host, ended = self._host, "ended" in self._steps.at
        return Story(
            Kind.ENROLMENT,
            self._short_id,
            outcome=self._outcome if ended else "",
            stage=self.stage.value,
            user=clean(self._account),
            began=round(host.wall_clock() - (host.clock() - self._steps.began), 6),
            steps=dict(self._steps.at),
            counts=dict(self._steps.count),
            device_name=self._device_name,
        )

    @property
    def _short_id(self) -> str:
        return sign_on_id.display(self._id)

    def _mark(self, step: str) -> None:
        self._steps.mark(step, self._host.clock())

    async def _enrol(self) -> EnrolmentEvent:
        try:
            return await self._offer_and_prove()
        except TooManyDevicesError:
            return Failed(EnrolmentFailure.TOO_MANY_DEVICES)
        except DeviceGoneError:  # its time was over, or an administrator was quicker
            return Failed(EnrolmentFailure.NOT_PROVED)
        except StoreError as error:
            _log.error("store failed", reason=str(error))
            return Failed(EnrolmentFailure.STORE)

    async def _offer_and_prove(self) -> EnrolmentEvent:
        """Raises TooManyDevicesError or StoreError."""
        self._requests.submit(self._deadline)
        if not await self._requests.queued(self._host.clock() + self._host.timers.queue):
            return Failed(EnrolmentFailure.UNAVAILABLE)
        self._mark("queued")
        await self._progress(Offered(self._offer.encode(), self._offer.expires))
        new = await self._device()
        if new is None:
            return Failed(EnrolmentFailure.EXPIRED)
        device, compare = new
        self._mark("came")
        self._device_name = clean(device.name)
        await self._progress(Compare(device.name, compare))
        if not await self._proved(device):
            return Failed(EnrolmentFailure.NOT_PROVED)
        return Enrolled(device.name)

    async def _device(self) -> tuple[Device, str] | None:
        """The first device with the offer's secret, and its digits to compare; None: expired."""
        paired: dict[RequestHandle, Pairing] = {}
        again = 0
        while (event := await self._requests.next(self._deadline)) is not None:
            handle = event.handle
            match event.event:
                case WasPaired(pairing):
                    paired[handle] = pairing
                case FrameCame(pairing, frame) if paired.get(handle) is pairing:
                    machine = AgentEnrolment(self._offer, self._host.identity.static)
                    try:
                        new = machine.receive_e1(frame)
                    except ProtocolError:
                        del paired[handle]
                        self._mark("rejected")
                        handle.reject(pairing)
                    else:
                        return await self._answer(machine, new, handle, pairing)
                case WasClosed(CloseReason.VALIDATOR_GONE | CloseReason.STALLED):
                    again += 1
                    if again <= MAX_OPENINGS:
                        self._requests.submit_again(handle)
                case _:
                    pass  # queued at one more relay, or refused or lost there
        return None

    async def _answer(
        self, machine: AgentEnrolment, new: NewDevice, handle: RequestHandle, pairing: Pairing
    ) -> tuple[Device, str]:
        """E2, once the record is on the disk. The offer is used up. Raises StoreError."""
        host = self._host
        answer = EnrolAnswer(host.label, self._account, secrets.token_bytes(RANDOM_LENGTH))
        frame, enrolled = machine.e2(answer)
        device = await self._add(new, enrolled)
        handle.send(pairing, frame)
        self._requests.done(handle)
        self._requests.withdraw()
        return device, enrolled.compare

    async def _add(self, new: NewDevice, enrolled: EnrolledKeys) -> Device:
        accounts = self._host.accounts
        device_id = await Enrolments(accounts.store).add_device(
            self._account,
            new.name,
            new.public,
            enrolled.rendezvous_root,
            enrolled.ratchet_root,
            self._host.wall_clock(),
        )
        return await accounts.device(device_id)

    async def _proved(self, device: Device) -> bool:
        """A sign-on in mode PROOF: the device shows that it holds what it was given.

        It counts once that is on the disk, and only then is the device told so. Raises
        TooManyDevicesError or StoreError.
        """
        host = self._host
        enrolments = Enrolments(host.accounts.store)

        async def prove(device: Device) -> None:
            await enrolments.prove(device.id, host.wall_clock())

        steps = Steps(host.clock())
        subject = Subject(
            self._id, Mode.PROOF, "", (device,), steps, host.timers, self._context, prove
        )
        approval = Approval(host, subject)
        try:
            proved = False
            if await approval.queue():
                valid_until = host.clock() + host.timers.validation
                proved = await approval.decision(valid_until) is SignOnEnd.APPROVED
            await approval.finish()
        finally:
            approval.abandon()
        return proved

    def _context(self, seconds_left: int) -> Context:
        return Context(
            sign_on_id=self._id,
            agent_random=secrets.token_bytes(RANDOM_LENGTH),
            user=self._account,
            host=self._host.label,
            service=SERVICE,
            agent_time=int(self._host.wall_clock()),
            seconds_left=seconds_left,
            mode=Mode.PROOF,
        )
