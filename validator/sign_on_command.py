"""edge. `bartizan sign-on`: the passcode, the context, the decision, the end."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import click

from protocol.keys import Mode
from protocol.signon_messages import Context, UserVerification, Verdict
from validator import screen
from validator.attempt import TimelineLog, attempt
from validator.choice import Choice
from validator.endings import Ending, ending_lines
from validator.keypress import Special
from validator.keystore import KeyStore
from validator.layout import Line, Tone, paragraph
from validator.outcomes import EXIT_CODES, Outcome
from validator.passcode_input import read_passcode
from validator.pick import picked
from validator.record import Record, State
from validator.terminal import Terminal
from validator.unlock import unlocked

KEYS: Final[dict[str | Special, Verdict]] = {
    "a": Verdict.APPROVE,
    "d": Verdict.DENY,
    "r": Verdict.REPORT,
    Special.ENTER: Verdict.DENY,
}


@dataclass(frozen=True)
class Request:
    """The command's arguments. `wait` in seconds; `verdict` None is to be asked."""

    host: str | None
    passcode: str
    user: str | None
    verdict: Verdict | None
    reason: str
    wait: float


def sign_on(request: Request, store: KeyStore, terminal: Terminal, log: TimelineLog) -> int:
    """The exit code. Raises click.UsageError, click.Abort, KeyStoreError and BusyError."""
    record = meant(request, store, terminal)
    return carry_out(request, record, store, terminal, log, lambda _, after: after)


def meant(request: Request, store: KeyStore, terminal: Terminal) -> Record:
    """The enrolment that the user means. Raises click.UsageError and KeyStoreError."""
    if request.verdict is None and not terminal.interactive:
        raise click.UsageError(
            "there is no terminal to ask on: give --approve, --deny or --report. "
            "Nothing was sent, and nothing is denied."
        )
    listing = store.listing()
    record = picked(listing, request.host, request.user, terminal)
    terminal.complain(*map(str, listing.refused))
    return record


def carry_out(
    request: Request,
    record: Record,
    store: KeyStore,
    terminal: Terminal,
    log: TimelineLog,
    following: Callable[[Record, Record], Record],
) -> int:
    """The exit code. `following` makes of the unlocked record, and the one that RECEIPT leads to,
    what is stored. Raises click.UsageError, click.Abort, KeyStoreError and BusyError.
    """
    if record.state is State.DISABLED:
        return _end(Ending(Outcome.DISABLED, record.host, record.user), terminal)
    passcode = read_passcode(request.passcode, record, terminal)

    def waiting() -> None:
        text = f"Another sign-on at {record.host} is under way on this device: waiting for it, "
        terminal.show(paragraph(f"{text}up to {request.wait:g} s.", terminal.width), err=True)

    with store.locked(record.record_id, request.wait, waiting) as locked:
        stored = locked.read()
        if stored.state is State.DISABLED:
            return _end(Ending(Outcome.DISABLED, record.host, record.user), terminal)
        before = unlocked(stored, terminal)
        looking = f"Looking for the sign-on of {record.user} at {record.host} ..."
        terminal.show(paragraph(looking, terminal.width, Tone.QUIET))
        ending = attempt(
            lambda after: locked.write(following(before, after)),
            before,
            Mode.PASSCODE,
            passcode,
            _decider(request, before, terminal),
            log,
        )
    return _end(replace(ending, under_pin=stored.under_pin), terminal)


def _end(ending: Ending, terminal: Terminal) -> int:
    terminal.show(ending_lines(ending, terminal.width))
    return EXIT_CODES[ending.outcome]


def _decider(
    request: Request, record: Record, terminal: Terminal
) -> Callable[[Context], Awaitable[Choice | None]]:
    typed = UserVerification.PIN if record.under_pin else None

    async def decide(context: Context) -> Choice | None:
        view = screen.View(terminal.width, time.time())
        terminal.show(screen.context_lines(context, record, view))
        if request.verdict is None:
            verdict = await terminal.key(screen.DECISION_QUESTION, KEYS)
            if verdict is None:
                return None
            terminal.show([Line(screen.TELLING[verdict], Tone.QUIET)])
            return Choice(verdict, request.reason, typed or UserVerification.PRESENCE)
        verdict = request.verdict
        if verdict is Verdict.APPROVE and screen.differs(context, record):
            text = "--approve does not approve what differs from the enrolment: denied."
            terminal.show(paragraph(text, terminal.width, Tone.WARNING))
            verdict = Verdict.DENY
        return Choice(verdict, request.reason, typed or UserVerification.NONE)

    return decide
