"""edge. Asks for a passcode, and finds typing errors before anything is made of it."""

import click

from protocol.passcode import MistypedError, parse
from validator.layout import Line, Tone, paragraph
from validator.record import Record
from validator.terminal import Terminal


def read_passcode(typed: str, record: Record, terminal: Terminal) -> str:
    """The 8 digits in `typed`, or asked for when that is empty; again after a typing error.

    Raises click.UsageError where there is nobody to ask.
    """
    while True:
        if not typed:
            if not terminal.interactive:
                raise click.UsageError("give the passcode that the host shows")
            question = paragraph(f"Passcode that {record.host} shows", terminal.width)
            typed = click.prompt(" ".join(line.text for line in question))
        try:
            return parse(typed)
        except MistypedError as error:
            if not terminal.interactive:
                raise click.UsageError(f"mistyped: {error}. Nothing was sent.") from None
            terminal.show([Line(f"Mistyped: {error}.", Tone.WARNING)])
            typed = ""
