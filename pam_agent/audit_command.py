"""edge. `bartizan-agent audit`: who was let in, and what administrators did."""

import csv
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from daemons.command_line import as_json_text, json_option
from pam_agent.admin_client import ask
from pam_agent.administration_wire import AuditLine, ShowAudit
from pam_agent.command_line import config_option, errors
from pam_agent.config import load
from protocol.text import clean

_UNITS: Final = {"m": 60, "h": 3600, "d": 86400}
_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(AuditLine))
_FORMULA: Final = ("=", "+", "-", "@")


def _since(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int:
    """Unix seconds."""
    if value is None:
        return 0
    if found := re.fullmatch(r"([0-9]{1,6})([mhd])", value):
        return max(0, int(time.time()) - int(found[1]) * _UNITS[found[2]])
    try:
        return max(0, int(datetime.fromisoformat(value).timestamp()))
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "expected a time ago such as 24h or 7d, or a moment such as 2026-11-22T14:05"
        ) from None


@click.command()
@click.option("--since", callback=_since, help="Such as 7d, or 2026-11-22; without it, all.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="A table for spreadsheets.")
@config_option
def audit(since: int, as_json: bool, as_csv: bool, path: Path | None) -> None:
    """Print the audit log: sign-ons that a device decided, enrolments, what administrators did.

    What strangers try is in the service's log alone.
    """
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both")
    with errors():
        config = load(path)
        lines = (
            each
            for each in ask(config.admin_socket, ShowAudit(since))
            if isinstance(each, AuditLine)
        )
        if as_csv:
            _write_csv(lines)
            return
        for line in lines:
            click.echo(as_json_text(line) if as_json else row(line))


def _write_csv(lines: Iterator[AuditLine]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    for line in lines:
        writer.writerow([_cell(getattr(line, column)) for column in _COLUMNS])


def _cell(value: object) -> object:
    """Texts of strangers: a formula for no spreadsheet, and an order for no terminal."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def row(line: AuditLine) -> str:
    """For people, in local time."""
    parts = [
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.at)),
        line.kind,
        line.outcome,
        line.account,
        f"service {line.service}" if line.service else "",
        f"from {line.remote}" if line.remote else "",
        "" if line.device is None else f"device {line.device}",
        line.detail,
    ]
    return clean("  ".join(part for part in parts if part))
