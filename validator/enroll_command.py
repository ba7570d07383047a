"""edge. `bartizan enroll`: from a host's enrolment code to a proved record."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import click
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.address import AddressError, parse_tcp
from protocol.enrolment import EnrolledKeys, Offer
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.signon_messages import Context, UserVerification, Verdict
from protocol.text import clean
from validator import client, screen
from validator.attempt import TimelineLog, attempt, run
from validator.choice import Choice
from validator.endings import Ending
from validator.enrolment_endings import all_offers_lines, enrolment_ending_lines, no_offer_lines
from validator.errors import BusyError, KeyStoreError
from validator.first_answer import NoAnswer
from validator.keypress import Special
from validator.keystore import KeyStore
from validator.layout import Line, Tone, paragraph
from validator.limits import PROOF_SECONDS
from validator.outcomes import EXIT_CODES, ExitCode, Outcome
from validator.pin import Pad, Pin
from validator.record import Record
from validator.terminal import Terminal

KEYS: Final[dict[str | Special, Verdict]] = {
    "y": Verdict.APPROVE,
    "n": Verdict.DENY,
    Special.ENTER: Verdict.DENY,
}

_KEPT: Final = (Outcome.SIGNED_ON, Outcome.UNKNOWN)
"""Outcomes after which the host may count on this device."""


@dataclass(frozen=True)
class Way:
    """How to enrol. `yes` confirms without asking; with `pin` each enrolment is under it."""

    device: str
    yes: bool
    pin: Pin | None = None


def enroll_all(
    offers: tuple[Offer, ...], way: Way, store: KeyStore, terminal: Terminal, log: TimelineLog
) -> int:
    """The exit code: zero when all of `offers` led to an enrolment, else that of the first that
    did not. Raises click.UsageError and KeyStoreError where there is only one.
    """
    if len(offers) == 1:
        return enroll(offers[0], way, store, terminal, log)
    codes: list[int] = []
    for offer in offers:
        terminal.show([Line(), *paragraph(f"-- {offer.host}", terminal.width, Tone.HEADING)])
        codes.append(_enroll_one_of_many(offer, way, store, terminal, log))
        if codes[-1] == ExitCode.INTERRUPTED:
            break  # the user has left, or the network is not to be trusted
    codes += [ExitCode.INTERRUPTED] * (len(offers) - len(codes))
    missing = [offer.host for offer, code in zip(offers, codes, strict=True) if code]
    terminal.show([Line(), *all_offers_lines(len(offers), missing, terminal.width)])
    return next((code for code in codes if code), 0)


def _enroll_one_of_many(
    offer: Offer, way: Way, store: KeyStore, terminal: Terminal, log: TimelineLog
) -> int:
    """What is wrong with one code must not cost the others."""
    try:
        return enroll(offer, way, store, terminal, log)
    except click.UsageError as error:
        terminal.complain(error.format_message())
        return ExitCode.USAGE
    except KeyStoreError as error:
        terminal.complain(str(error))
        return ExitCode.KEY_STORE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def enroll(offer: Offer, way: Way, store: KeyStore, terminal: Terminal, log: TimelineLog) -> int:
    """The exit code. Raises click.UsageError and KeyStoreError."""
    _check(offer)
    static = X25519PrivateKey.generate()
    try:
        found = run(partial(client.request_enrolment, offer, way.device, static))
    except ProtocolError:
        raise click.UsageError("the code holds a key that cannot be one") from None
    if found is None:
        terminal.show([Line("Given up: this device is not enrolled.")])
        return ExitCode.INTERRUPTED
    if isinstance(found, NoAnswer):
        end = Ending(
            found.outcome,
            offer.host,
            "",
            unreachable=found.unreachable,
            cut_at_once=found.cut_at_once,
        )
        terminal.show(no_offer_lines(end, terminal.width))
        return EXIT_CODES[end.outcome]
    answer, enrolled_keys = found
    pad = None if way.pin is None else Pad.new(way.pin)
    record = Record.enrolled(
        offer, static, answer, enrolled_keys, way.device, int(time.time()), pad
    )
    others = store.listing().records
    if refusal := _refusal(record, others):
        terminal.show(paragraph(refusal, terminal.width, Tone.WARNING))
        return ExitCode.NOT_SIGNED_ON
    ending = _prove(record, enrolled_keys, way.yes, store, terminal, log)
    if ending.outcome is Outcome.SIGNED_ON:
        _forget_replaced(record, others, store, terminal)
    terminal.show(enrolment_ending_lines(ending, terminal.width))
    if ending.outcome is Outcome.SIGNED_ON and _has_lost_its_pin(record, others):
        text = "The enrolment that it replaces had a PIN, and this one has none. To set one: "
        text += f"bartizan pin {record.host}"
        terminal.show(paragraph(text, terminal.width, Tone.WARNING))
    return EXIT_CODES[ending.outcome]


def _check(offer: Offer) -> None:
    if offer.expires <= time.time():
        raise click.UsageError(
            "the enrolment code is too old (or this device's clock is wrong): "
            "ask the host for a new one. Nothing was sent."
        )
    for relay in offer.relays:
        try:
            parse_tcp(relay)
        except AddressError as error:
            raise click.UsageError(
                clean(f"the code names a relay '{relay}': {error}. Tell the administrator.")
            ) from None


def _refusal(record: Record, others: tuple[Record, ...]) -> str:
    """Why the record may not stand beside the others; empty when it may."""
    if not record.host.strip() or not record.user.strip():
        return "Not enrolled: the host does not say its name, or the user's."
    if any(o.host == record.host and o.agent_public != record.agent_public for o in others):
        return (
            f"Not enrolled: this device knows a host {record.host} with another key. "
            f"If {record.host} was set up anew, run 'bartizan forget {record.host}' first. "
            "If not, this enrolment code does not come from it."
        )
    return ""


def _prove(
    record: Record,
    enrolled_keys: EnrolledKeys,
    yes: bool,
    store: KeyStore,
    terminal: Terminal,
    log: TimelineLog,
) -> Ending:
    """Store the record, and prove to the host that it is stored."""
    with store.locked(record.record_id, 0, lambda: None) as locked:  # nobody else knows it yet
        locked.write(record)
        decide = _decider(record, enrolled_keys.compare, yes, terminal)
        ending = attempt(locked.write, record, Mode.PROOF, "", decide, log, PROOF_SECONDS)
        if ending.outcome not in _KEPT:
            locked.forget()
    return ending


def _decider(
    record: Record, digits: str, yes: bool, terminal: Terminal
) -> Callable[[Context], Awaitable[Choice | None]]:
    async def decide(context: Context) -> Choice | None:
        view = screen.View(terminal.width, time.time())
        terminal.show(screen.context_lines(context, record, view))
        terminal.show(screen.enrolment_lines(record, digits, terminal.width))
        if yes:
            return Choice(Verdict.APPROVE, verified=UserVerification.NONE)
        verdict = await terminal.key(screen.ENROLMENT_QUESTION, KEYS)
        return None if verdict is None else Choice(verdict)

    return decide


def _has_lost_its_pin(record: Record, others: tuple[Record, ...]) -> bool:
    replaced = [o for o in others if (o.host, o.user) == (record.host, record.user)]
    return not record.under_pin and any(other.under_pin for other in replaced)


def _forget_replaced(
    record: Record, others: tuple[Record, ...], store: KeyStore, terminal: Terminal
) -> None:
    """The new enrolment takes the place of older ones for the same user at the same host."""
    for other in others:
        if (other.host, other.user) == (record.host, record.user):
            try:
                with store.locked(other.record_id, 0, lambda: None) as locked:
                    locked.forget()
            except BusyError:
                terminal.complain("An older enrolment is being used, and was kept beside this one.")
