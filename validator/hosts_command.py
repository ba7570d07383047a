"""edge. `bartizan hosts`: what this device is enrolled for."""

import json
import time

import click

from validator import screen
from validator.layout import Line
from validator.options import user_store
from validator.outcomes import ExitCode
from validator.record import Record
from validator.selection import distinct
from validator.terminal import Terminal


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array; times in Unix seconds.")
def hosts(as_json: bool) -> int:
    """List the hosts that this device is enrolled at."""
    terminal = Terminal()
    with user_store() as store:
        listing = store.listing()
    records = distinct(listing.records)
    if as_json:
        terminal.show([Line(json.dumps([_public(record) for record in records], indent=2))])
    else:
        terminal.show(screen.hosts_lines(records, screen.View(terminal.width, time.time())))
    terminal.complain(*map(str, listing.refused))
    return ExitCode.KEY_STORE if listing.refused else 0


def _public(record: Record) -> dict[str, object]:
    """What may be known of a record."""
    return {
        "host": record.host,
        "user": record.user,
        "device": record.device,
        "enrolled_at": record.enrolled_at,
        "last_used": record.last_used or None,
        "generation": record.generation.number,
        "state": record.state.name.lower(),
        "pin": record.under_pin,
    }
