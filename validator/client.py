"""shell. Carries one sign-on, or one enrolment, through a relay; the machines of `protocol` decide.

Times that go into the log come from the caller's clock; deadlines are Trio's.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.enrolment import EnrolAnswer, EnrolledKeys, Offer, ValidatorEnrolment
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.signon import ValidatorSignOn
from protocol.signon_messages import Context, Receipt, SignOnOutcome
from validator.choice import Choice
from validator.connection import EndedError, RelayConnection
from validator.endings import Ending
from validator.errors import KeyStoreError
from validator.first_answer import Answered, NoAnswer, Opening, first_answer
from validator.limits import (
    CLOSING_SECONDS,
    MAX_DECISION_SECONDS,
    PROOF_PAUSE_SECONDS,
    RECEIPT_SECONDS,
)
from validator.outcomes import Outcome, concluded
from validator.record import Record
from validator.timeline import Step, Timeline


@dataclass(frozen=True)
class Device:
    """What the client needs of the device that it runs on."""

    decide: Callable[[Context], Awaitable[Choice | None]]
    """Shows the context and asks the user; None when the user leaves. It may be cancelled."""
    store: Callable[[Record], None]
    """Durable when it returns. Raises KeyStoreError."""
    clock: Callable[[], float]
    """Unix seconds."""


async def sign_on(
    record: Record,
    mode: Mode,
    passcode: str,
    device: Device,
    timeline: Timeline,
    *,
    patience: float = 0.0,
) -> Ending:
    """One sign-on, whose record the caller has locked. `patience`: seconds to keep looking for it.

    A sign-on is not queued yet when its host has only just learned of it: the proof.
    """

    def mark(step: Step) -> None:
        timeline.at[step] = device.clock()

    def new_opening() -> Opening[tuple[ValidatorSignOn, Context]]:
        machine = ValidatorSignOn(record.device_keys, mode, passcode)
        return Opening(
            machine.tag, machine.h1(), lambda frame: (machine, machine.receive_context(frame))
        )

    give_up = trio.current_time() + patience
    while True:
        found = await first_answer(
            record.relays, record.shard, new_opening, lambda: mark(Step.CONNECTED)
        )
        if isinstance(found, Answered):
            break
        again = trio.current_time() + PROOF_PAUSE_SECONDS
        if found.outcome is Outcome.NOT_GENUINE or again >= give_up:
            return Ending(
                found.outcome,
                record.host,
                record.user,
                unreachable=found.unreachable,
                cut_at_once=found.cut_at_once,
            )
        await trio.sleep_until(again)

    async with found.connection as connection:
        machine, context = found.answer
        timeline.sign_on_id = context.sign_on_id
        mark(Step.CONTEXT_SHOWN)
        choice = await _choice(connection, context, device)
        if choice is None:
            return Ending(Outcome.UNDECIDED, record.host, record.user)
        mark(Step.DECIDED)
        receipt = await _receipt(connection, machine, choice)
        if receipt is None:
            return Ending(Outcome.UNKNOWN, record.host, record.user)
        mark(Step.RECEIPT)
        not_stored = ""
        try:
            device.store(_after(record, machine, receipt, int(device.clock())))
        except KeyStoreError as error:
            not_stored = str(error)
        if not not_stored and receipt.outcome is not SignOnOutcome.DISABLED:
            # Only now: CONFIRM tells the agent that the old key may be forgotten.
            with suppress(EndedError):  # its loss locks nobody out
                await connection.send(machine.confirm())
                # Who leaves before the host has closed looks like one whose network broke.
                with trio.move_on_after(CLOSING_SECONDS):
                    await connection.until_over()
        return Ending(
            concluded(choice.verdict, receipt.outcome),
            record.host,
            record.user,
            said=receipt.text,
            not_stored=not_stored,
        )


async def _choice(connection: RelayConnection, context: Context, device: Device) -> Choice | None:
    """The user's choice; None when the user leaves, or the connection or the time is over first."""
    choice: Choice | None = None
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            await connection.until_over()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        with trio.move_on_after(min(context.seconds_left, MAX_DECISION_SECONDS)):
            choice = await device.decide(context)
        nursery.cancel_scope.cancel()
    return choice


async def _receipt(
    connection: RelayConnection, machine: ValidatorSignOn, choice: Choice
) -> Receipt | None:
    """Send the decision; None when no genuine RECEIPT comes: the outcome is unknown then."""
    decision = machine.decision(choice.verdict, choice.reason, choice.verified)
    with (
        trio.move_on_after(RECEIPT_SECONDS),
        suppress(EndedError, ProtocolError),
    ):
        await connection.send(decision)
        return machine.receive_receipt(await connection.receive())
    return None


def _after(record: Record, machine: ValidatorSignOn, receipt: Receipt, now: int) -> Record:
    """What to store of the device after RECEIPT."""
    if receipt.outcome is SignOnOutcome.DISABLED:
        return record.disabled()
    signed_on = receipt.outcome is SignOnOutcome.SIGNED_ON
    return record.advanced(machine.next_generation(), now if signed_on else None)


async def request_enrolment(
    offer: Offer, device_name: str, static: X25519PrivateKey
) -> tuple[EnrolAnswer, EnrolledKeys] | NoAnswer:
    """E1 and E2. `static` is new. Raises ProtocolError for an offer whose key is none."""

    def new_opening() -> Opening[tuple[EnrolAnswer, EnrolledKeys]]:
        machine = ValidatorEnrolment(offer, static)
        return Opening(offer.tag, machine.e1(device_name), machine.receive_e2)

    found = await first_answer(offer.relays, offer.shard, new_opening, lambda: None)
    if isinstance(found, NoAnswer):
        return found
    async with found.connection:
        return found.answer
