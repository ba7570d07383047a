"""edge. Asks for PINs: to unlock an enrolment, or to choose a new one.

A PIN is typed on a terminal and nowhere else: not on a command line, which others can see, and not
in a script, which would have to keep it beside what it protects.
"""

from collections.abc import Callable

import click

from protocol.text import clean
from validator.layout import Line, Tone, paragraph
from validator.limits import PIN_TRIES
from validator.pin import Pad, Pin, PinError
from validator.record import Record
from validator.terminal import NoTerminalError, Terminal


def unlocked(record: Record, terminal: Terminal) -> Record:
    """The record with its root shown, the PIN being asked for where it is under one.

    Whether the PIN was right only the host can tell. Raises click.UsageError where there is no
    terminal to ask on, and click.Abort.
    """
    if not record.under_pin:
        return record
    pin = _asked(f"PIN for {record.host} ({record.user}): ", Pin.typed, terminal)
    return record.unlocked(Pad.of(pin, record.pin_salt))


def new_pin(terminal: Terminal) -> Pin:
    """A new PIN, typed twice. Raises click.UsageError and click.Abort."""
    terminal.show(paragraph(_ADVICE, terminal.width), err=True)
    while True:
        pin = _asked("New PIN: ", Pin.chosen, terminal)
        if _asked("Once more: ", Pin.typed, terminal) == pin:
            return pin
        terminal.show([Line("These were two different PINs.", Tone.WARNING)], err=True)


_ADVICE = (
    "A PIN has 6 to 12 digits. Take one that you use nowhere else. It cannot be read back: who "
    f"forgets it needs a new enrolment, and so does who types {PIN_TRIES} wrong ones in a row."
)


def _asked(question: str, parse: Callable[[str], Pin], terminal: Terminal) -> Pin:
    while True:
        try:
            return parse(terminal.hidden(clean(question)))
        except PinError as error:
            terminal.show([Line(f"Not taken: {error}.", Tone.WARNING)], err=True)
        except NoTerminalError:
            raise click.UsageError(
                "there is no terminal to type the PIN on. Nothing was sent."
            ) from None
