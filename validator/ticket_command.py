"""edge. `bartizan ticket`: a one-time password for a service that can show nothing."""

from typing import Final

import click

from protocol import offline, ticket
from protocol.text import clean
from validator.keystore import KeyStore
from validator.layout import Line, Tone, paragraph
from validator.respond_command import refuse_disabled, usable, warn_of_pin
from validator.terminal import Terminal
from validator.unlock import unlocked

MAX_SERVICE: Final = 64
"""Characters of a PAM service's name: the longest that Debian ships has 20."""


def make(place: str, user: str | None, wait: float, store: KeyStore, terminal: Terminal) -> None:
    """Standard output has the ticket and nothing else. `place` is SERVICE@HOST; `wait` in seconds.

    The ticket is counted, on the disk, before it is shown: a crash loses one and repeats none.
    Raises click.UsageError, click.Abort, KeyStoreError and BusyError.
    """
    service, host = _split(place)
    record = usable(host, user, store, terminal)

    def waiting() -> None:
        text = f"A sign-on at {record.host} is under way on this device: waiting for it, "
        terminal.show(paragraph(f"{text}up to {wait:g} s.", terminal.width), err=True)

    with store.locked(record.record_id, wait, waiting) as locked:
        record = locked.read()
        refuse_disabled(record)
        record = unlocked(record, terminal)
        locked.write(record.ticketed())
    number, counter = record.generation.number, record.ticket_counter
    locator = ticket.locator(record.rendezvous_root, number, counter, service)
    key = offline.offline_key(record.ratchet_root)
    whole = locator + ticket.proof(key, number, counter, service)
    text = f"Ticket for {service} at {record.host}, as {record.user}:"
    terminal.show(paragraph(text, terminal.width, Tone.QUIET), err=True)
    terminal.show([Line(ticket.display(whole), Tone.HEADING)])
    terminal.show(paragraph(_ADVICE, terminal.width, Tone.QUIET), err=True)
    warn_of_pin(record, terminal)
    if counter >= ticket.LOOK_AHEAD:
        text = (
            f"This is ticket {counter + 1} since the last sign-on through a relay. If {record.host}"
            f" has taken none of the last {ticket.LOOK_AHEAD}, it takes none any more, until "
            "'bartizan sign-on' was used there."
        )
        terminal.show(paragraph(text, terminal.width, Tone.WARNING), err=True)


_ADVICE: Final = (
    "Works once, as the password; behind your own password and a comma where the service wants "
    "both. It makes those before it void."
)


def _split(place: str) -> tuple[str, str | None]:
    """The service, in lower case as PAM has it, and the host; None leaves it to be picked."""
    service, at, host = place.partition("@")
    service = service.lower()
    if not at or not service.strip():
        raise click.UsageError("give SERVICE@HOST, such as postgresql@web1")
    if len(service) > MAX_SERVICE or clean(service) != service or "/" in service:
        raise click.UsageError(f"a service's name has at most {MAX_SERVICE} ordinary characters")
    return service, host or None
