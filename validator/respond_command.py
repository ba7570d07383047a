"""edge. `bartizan respond`: the response to a passcode, computed without a network."""

import click

from protocol import offline, passcode
from validator.keystore import KeyStore
from validator.layout import Line, Tone, paragraph
from validator.passcode_input import read_passcode
from validator.pick import picked
from validator.record import Record, State
from validator.terminal import Terminal
from validator.unlock import unlocked


def respond(
    host: str | None, typed: str, user: str | None, store: KeyStore, terminal: Terminal
) -> None:
    """Standard output has the response and nothing else.

    The enrolment is not locked: nothing is written, and a sign-on that waits for a network must not
    hold this up. Raises click.UsageError, click.Abort and KeyStoreError.
    """
    record = usable(host, user, store, terminal)
    code = read_passcode(typed, record, terminal)
    key = offline.offline_key(unlocked(record, terminal).ratchet_root)
    where = f"the passcode {passcode.display(code)} of {record.host}, as {record.user}"
    terminal.show(paragraph(f"Response to {where}:", terminal.width, Tone.QUIET), err=True)
    terminal.show([Line(offline.display(offline.response(key, code)), Tone.HEADING)])
    advice = "Type it at the prompt that shows this passcode, if you began that sign-on yourself."
    terminal.show(paragraph(advice, terminal.width, Tone.QUIET), err=True)
    warn_of_pin(record, terminal)


def usable(host: str | None, user: str | None, store: KeyStore, terminal: Terminal) -> Record:
    """The enrolment that is meant, as it is stored.

    Raises click.UsageError, also for one that the host has disabled, and KeyStoreError.
    """
    listing = store.listing()
    record = picked(listing, host, user, terminal)
    terminal.complain(*map(str, listing.refused))
    refuse_disabled(record)
    return record


def refuse_disabled(record: Record) -> None:
    """Raises click.UsageError for an enrolment that the host has disabled."""
    if record.state is State.DISABLED:
        raise click.UsageError(
            f"{record.host} has disabled this device, and takes no codes of it either: have its "
            "administrator remove the device there, and enrol it again"
        )


def warn_of_pin(record: Record, terminal: Terminal) -> None:
    """What comes of a wrong PIN looks the same here."""
    if record.under_pin:
        text = f"With a wrong PIN this is wrong too: only {record.host} can tell, and it counts."
        terminal.show(paragraph(text, terminal.width, Tone.WARNING), err=True)
