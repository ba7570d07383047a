"""edge. Lets the user pick an enrolment: from the arguments, or from a menu."""

import click

from protocol.text import clean
from validator import screen
from validator.errors import KeyStoreError
from validator.keystore import Listing
from validator.layout import Line
from validator.record import Record
from validator.selection import distinct, matching
from validator.terminal import Terminal


def picked(listing: Listing, host: str | None, user: str | None, terminal: Terminal) -> Record:
    """The one enrolment that is meant.

    Raises click.UsageError when there is none, or several and nobody to ask; KeyStoreError when
    the one that is meant may be in a file that cannot be used.
    """
    found = matching(listing.records, host, user)
    if len(found) == 1:
        return found[0]
    if not found:
        if listing.refused:
            raise KeyStoreError("\n".join(str(error) for error in listing.refused))
        raise click.UsageError(_none_found(listing, host, user))
    if not terminal.interactive:
        labels = ", ".join(f"{r.host} ({r.user})" for r in found)
        raise click.UsageError(clean(f"name one of these hosts, or its user with --user: {labels}"))
    terminal.show([Line("Enrolled on this device:"), *screen.choice_lines(found)])
    number = click.prompt("Which one", type=click.IntRange(1, len(found)))
    return found[number - 1]


def _none_found(listing: Listing, host: str | None, user: str | None) -> str:
    known = ", ".join(f"{r.host} ({r.user})" for r in distinct(listing.records))
    if not known:
        return "no host is enrolled on this device: run bartizan enroll first"
    wanted = " ".join([*([host] if host else []), *([f"with user {user}"] if user else [])])
    return clean(f"nothing enrolled fits {wanted}. Enrolled: {known}")
