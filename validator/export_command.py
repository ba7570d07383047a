"""edge. `bartizan export`: what a new device has to be enrolled for. No secrets."""

import json

import click

from validator.layout import Line
from validator.options import user_store
from validator.outcomes import ExitCode
from validator.record import Record, State
from validator.selection import distinct
from validator.terminal import Terminal


@click.command()
def export() -> int:
    """Print the hosts and users of this device, for enrolling another one in its place.

    Keys cannot be exported: each device has its own, and a copy is found out at its first use.
    """
    terminal = Terminal()
    with user_store() as store:
        listing = store.listing()
    wanted = [_wanted(record) for record in distinct(listing.records)]
    terminal.show([Line(json.dumps(wanted, indent=2))])
    terminal.complain(*map(str, listing.refused))
    return ExitCode.KEY_STORE if listing.refused else 0


def _wanted(record: Record) -> dict[str, object]:
    return {
        "host": record.host,
        "user": record.user,
        "device": record.device,
        "pin": record.under_pin,
        "disabled": record.state is State.DISABLED,
    }
