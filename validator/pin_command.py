"""edge. `bartizan pin`: another PIN for an enrolment, with the next root of a sign-on."""

import click

from validator.attempt import TimelineLog
from validator.keystore import KeyStore
from validator.layout import Tone, paragraph
from validator.outcomes import ExitCode
from validator.pin import Pad
from validator.record import Record, State
from validator.sign_on_command import Request, carry_out, meant
from validator.terminal import Terminal
from validator.unlock import new_pin


def change(
    request: Request, remove: bool, store: KeyStore, terminal: Terminal, log: TimelineLog
) -> int:
    """Zero when the PIN is another one now, else how the sign-on ended.

    Raises click.UsageError, click.Abort, KeyStoreError and BusyError.
    """
    record = meant(request, store, terminal)
    if record.state is State.DISABLED:
        return carry_out(request, record, store, terminal, log, lambda _, after: after)
    if remove and not record.under_pin:
        raise click.UsageError(f"the enrolment at {record.host} has no PIN")
    pad = _next_pad(record, remove, terminal)

    def following(before: Record, after: Record) -> Record:
        """Under the new PIN only with a new root: a host that has disabled the device gives none,
        and without RECEIPT nothing is stored at all."""
        return after if after.state is State.DISABLED else after.under(pad, before)

    code = carry_out(request, record, store, terminal, log, following)
    with store.locked(record.record_id, request.wait, lambda: None) as locked:
        changed = locked.read().pin_salt == (b"" if pad is None else pad.salt)
    if changed:
        text = "has no PIN any more" if remove else "is under the new PIN from now on"
        terminal.show(paragraph(f"The enrolment at {record.host} {text}.", terminal.width))
        return 0
    old = "under the PIN that it had" if record.under_pin else "without a PIN"
    text = f"The PIN was not changed: the enrolment at {record.host} is still {old}."
    terminal.show(paragraph(text, terminal.width, Tone.WARNING))
    return code or ExitCode.KEY_STORE


def _next_pad(record: Record, remove: bool, terminal: Terminal) -> Pad | None:
    """Asked for before the passcode: its time is running."""
    if remove:
        return None
    pad = Pad.new(new_pin(terminal))
    text = (
        f"The PIN changes with a sign-on: begin one at {record.host} now, as {record.user}, and "
        "type the passcode that it shows. Approve or deny it as you like."
    )
    terminal.show(paragraph(text, terminal.width))
    return pad
