"""edge. `bartizan-agent breakglass`: for a bounded time a user signs on without a device."""

import os
import time
from pathlib import Path

import click

from daemons.command_line import EXIT_NOT_DONE, json_option, show
from pam_agent.admin_client import ask
from pam_agent.administration_wire import (
    BreakGlassLine,
    EndBreakGlass,
    ListAdministration,
    OpenBreakGlass,
)
from pam_agent.break_glass import DEFAULT_BREAK_GLASS, MAX_BREAK_GLASS, MAX_REASON, seconds_of
from pam_agent.command_line import account_of, config_option, errors, fail, note_unknown
from pam_agent.config import load
from protocol.text import clean


def _ttl(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    seconds = seconds_of(value)
    if seconds is None:
        longest = MAX_BREAK_GLASS // 3600
        raise click.BadParameter(f"expected a time such as 90m or 2h, from 1m to {longest}h")
    return seconds


def _reason(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and (not clean(value).strip() or len(value) > MAX_REASON):
        raise click.BadParameter(f"expected 1 to {MAX_REASON} printable characters")
    return value


@click.command()
@click.argument("user", required=False, callback=account_of)
@click.option("--ttl", callback=_ttl, help=f"How long, {DEFAULT_BREAK_GLASS // 3600}h if not said.")
@click.option("--reason", callback=_reason, help="Why; logged, and told to the user's devices.")
@click.option("--end", is_flag=True, help="End it now.")
@json_option
@config_option
def breakglass(
    user: str | None,
    ttl: int | None,
    reason: str | None,
    end: bool,
    as_json: bool,
    path: Path | None,
) -> None:
    """Let USER sign on without a device for a while; without USER, list who may.

    For root only. It needs a first factor as before: where this one is the only one, nobody is let
    in by it. It ends by itself, and every device of USER is told at its next sign-on.
    """
    opens = ttl is not None or reason is not None
    if user is None and (opens or end):
        raise click.UsageError("for whom? Give USER")
    if user is not None and end == opens:
        raise click.UsageError("either --reason (and --ttl), or --end")
    if opens and reason is None:
        raise click.UsageError("--reason is needed: it is logged, and told to the user")
    with errors():
        config = load(path)
        request: OpenBreakGlass | EndBreakGlass | ListAdministration = ListAdministration()
        if user is not None and os.geteuid() != 0:
            fail("only root may open or end a break-glass", EXIT_NOT_DONE)
        if user is not None and reason is not None:
            note_unknown(user)
            request = OpenBreakGlass(user, ttl or DEFAULT_BREAK_GLASS, reason)
        elif user is not None:
            request = EndBreakGlass(user)
        replies = ask(config.admin_socket, request)
        lines = [each for each in replies if isinstance(each, BreakGlassLine)]
    if end and not lines:
        fail(f"none is open for {user}", EXIT_NOT_DONE)
    word = "ended" if end else "open"
    show(lines, (f"{word}: {row(line)}" for line in lines), as_json=as_json)


def row(line: BreakGlassLine) -> str:
    """As lists have it, in local time."""
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(line.until))
    return f"{clean(line.account)} until {until}, by uid {line.by_uid}: {clean(line.reason)}"
