"""edge. `bartizan erase`: the keys are to be gone from this device, now."""

import os
from pathlib import Path

import click

from protocol.text import clean
from validator.erasure import erase as erase_files
from validator.keystore import location
from validator.layout import Tone, paragraph
from validator.options import USER_OPTION, user_store
from validator.outcomes import ExitCode
from validator.pick import picked
from validator.terminal import Terminal


@click.command()
@click.argument("host", required=False)
@USER_OPTION
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(host: str | None, user: str | None, yes: bool) -> int:
    """Erase all enrolments of this device at once, or only the one at HOST.

    Waits for nothing, also not for a sign-on that is under way.
    """
    terminal = Terminal()
    if user is not None and host is None:
        raise click.UsageError("--user goes with a host")
    directory = location(os.environ, Path.home())
    what, record_ids = "all enrolments", None
    if host is not None:
        what, record_ids = _one(host, user, terminal)
    if not yes:
        if not terminal.interactive:
            raise click.UsageError("there is no terminal to ask on: give --yes")
        if not click.confirm(f"Erase {what} from this device? It cannot be undone"):
            return ExitCode.NOT_SIGNED_ON
    erased = erase_files(directory, record_ids)
    terminal.complain(*erased.failed)
    number = f"{erased.enrolments} enrolment{'' if erased.enrolments == 1 else 's'}"
    terminal.show(paragraph(f"Erased: {number}.", terminal.width))
    terminal.show(paragraph(_NO_PROMISE, terminal.width, Tone.WARNING))
    return ExitCode.KEY_STORE if erased.failed else 0


_NO_PROMISE = (
    "The files are overwritten and removed. On flash, and in backups, the old bytes may be there "
    "all the same: have the administrator of each host remove this device, which makes its keys "
    "worthless wherever they are."
)


def _one(host: str, user: str | None, terminal: Terminal) -> tuple[str, list[str]]:
    """What is to be erased in words, and the ids of its records."""
    with user_store() as store:
        listing = store.listing()
        meant = picked(listing, host, user, terminal)
    same = [
        record.record_id
        for record in listing.records
        if (record.host, record.user) == (meant.host, meant.user)
    ]
    return clean(f"the enrolment at {meant.host} ({meant.user})"), same
