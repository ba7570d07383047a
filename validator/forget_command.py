"""edge. `bartizan forget`: an enrolment that is not needed any more."""

import click

from protocol.text import clean
from validator.layout import paragraph
from validator.limits import LOCK_SECONDS
from validator.options import USER_OPTION, user_store
from validator.outcomes import ExitCode
from validator.pick import picked
from validator.terminal import Terminal


@click.command()
@click.argument("host")
@USER_OPTION
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(host: str, user: str | None, yes: bool) -> int:
    """Remove the enrolment at HOST from this device."""
    terminal = Terminal()
    with user_store() as store:
        listing = store.listing()
        record = picked(listing, host, user, terminal)
        label = clean(f"{record.host} ({record.user})")
        if not yes:
            if not terminal.interactive:
                raise click.UsageError("there is no terminal to ask on: give --yes")
            if not click.confirm(f"Forget {label}? This device cannot sign on there any more"):
                return ExitCode.NOT_SIGNED_ON

        def waiting() -> None:
            terminal.complain(f"A sign-on there is under way: waiting, up to {LOCK_SECONDS:g} s.")

        for same in listing.records:
            if (same.host, same.user) == (record.host, record.user):
                with store.locked(same.record_id, LOCK_SECONDS, waiting) as locked:
                    locked.forget()
    text = f"Forgotten: {label}. Its administrator should remove this device there too."
    terminal.show(paragraph(text, terminal.width))
    return 0
