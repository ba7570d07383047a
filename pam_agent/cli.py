"""edge. `bartizan-agent`: the command line.

Exit codes: 0 done; 1 not done (an enrolment without a device, nothing to revoke, an answer of no,
a sign-on that is not known), or not well (`status`: no relay up, or no store);
2 the command line is wrong; 3 the configuration or the store is bad, or a socket cannot be
listened on; 4 no daemon answers.
"""

import pwd
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import click
import msgspec
import trio

from daemons import logs, systemd
from daemons.admin_client import RefusedError, UnreachableError
from daemons.lines import SHORT_ID, encode_line
from daemons.supervision import SupervisionError
from daemons.unix_listener import ListenError
from pam_agent import service
from pam_agent.accounts import Accounts
from pam_agent.activation import activated
from pam_agent.admin_client import ask
from pam_agent.admin_wire import (
    MAX_ACCOUNT,
    DeviceLine,
    Enroll,
    LinkKey,
    ListAccounts,
    Revoke,
    ShowLinkKey,
    ShowStatus,
    Unknown,
    Why,
)
from pam_agent.config import DEFAULT_PATH, ConfigError, load
from pam_agent.enrolment_events import Compare, Enrolled, Failed, Offered
from pam_agent.message_ids import JOURNAL_FORM
from pam_agent.report import is_well, status_lines, story_lines, unknown_lines
from pam_agent.schema import FILE_NAME, StoreError
from pam_agent.settings import Config
from pam_agent.sign_ons import Story
from pam_agent.terminal import FAILURES, config_summary, device_table, show_event
from protocol.text import clean

EXIT_NOT_DONE: Final = 1
EXIT_BAD_SETUP: Final = 3
EXIT_UNREACHABLE: Final = 4

_config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help=f"Configuration file; without it {DEFAULT_PATH}, or the default.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bartizan", prog_name="bartizan-agent")
def main() -> None:
    """The host's agent: signs users on who approve on a device of theirs."""


def _account(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """USER as a name that the daemon takes."""
    if not value or clean(value) != value or len(value) > MAX_ACCOUNT:
        raise click.BadParameter(f"expected 1 to {MAX_ACCOUNT} printable characters")
    return value


_user_argument = click.argument("user", callback=_account)


@contextmanager
def _errors() -> Iterator[None]:
    """What can go wrong, as one line on standard error and an exit code."""
    try:
        yield
    except (ConfigError, StoreError, ListenError, SupervisionError) as error:
        _fail(str(error), EXIT_BAD_SETUP)
    except UnreachableError as error:
        _fail(str(error), EXIT_UNREACHABLE)
    except RefusedError as error:
        _fail(str(error), EXIT_NOT_DONE)


def _fail(message: str, code: int) -> NoReturn:
    for line in message.splitlines():
        click.echo(f"bartizan-agent: {line}", err=True)
    sys.exit(code)


@main.command()
@_config_option
def serve(path: Path | None) -> None:
    """Run the daemon in the foreground, until SIGTERM or SIGINT; SIGHUP reads FILE again."""
    with _errors():
        told = systemd.take()
        config = load(path)
        book = logs.configure(config.log, JOURNAL_FORM)
        given = activated(told, config)
        manager = systemd.Manager(told)
        try:
            trio.run(service.run, config, partial(load, path), manager, given, book)
        except BaseExceptionGroup as group:
            expected, others = group.split((StoreError, ListenError))
            if expected is None or others is not None:
                raise
            raise _first(expected) from None


@main.command("check-config")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@_config_option
def check_config(file: Path | None, path: Path | None) -> None:
    """Read FILE as `serve` does, open nothing, and say every mistake in it, or what it comes to."""
    with _errors():
        config = load(file or path)
    click.echo(f"{file or path or DEFAULT_PATH}: no mistake found")
    for row in config_summary(config):
        click.echo(row)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


@main.command()
@_user_argument
@click.option("--no-qr", is_flag=True, help="Show the typed code only.")
@click.option("--json", "as_json", is_flag=True, help="An event a line, for programs.")
@_config_option
def enroll(user: str, no_qr: bool, as_json: bool, path: Path | None) -> None:
    """Enrol a new device for USER: shows a code, and waits until a device has used it."""
    with _errors():
        config = load(path)
        try:
            pwd.getpwnam(user)
        except KeyError:
            click.echo(f"note: this host knows no user {user}; enrolling anyway", err=True)
        enrolled = False
        for event in ask(config.admin_socket, Enroll(user), patience=None):
            if as_json:
                click.echo(encode_line(event), nl=False)
            elif isinstance(event, Offered | Compare | Enrolled):
                show_event(event, user, with_qr=not no_qr)
            if isinstance(event, Failed):
                _fail(f"not enrolled: {FAILURES[event.reason]}", EXIT_NOT_DONE)
            enrolled = isinstance(event, Enrolled)
    if not enrolled:
        _fail("not enrolled: the agent ended it; see its log", EXIT_NOT_DONE)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One array of objects.")
@_config_option
def accounts(as_json: bool, path: Path | None) -> None:
    """List the accounts' devices."""
    with _errors():
        lines = _devices(load(path))
    if as_json:
        click.echo(msgspec.json.encode(lines))
        return
    for row in device_table(lines):
        click.echo(row)


@main.command()
@_user_argument
@click.argument("device", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_config_option
def revoke(user: str, device: str | None, yes: bool, path: Path | None) -> None:
    """Remove USER's DEVICE (its number or name, see `accounts`), or all devices of USER.

    What was going on with it cannot succeed any more. It can only be enrolled anew.
    """
    with _errors():
        config = load(path)
        own = [line for line in _devices(config) if line.account == user]
        chosen = [line for line in own if device in (None, str(line.device_id))]
        chosen = chosen or [line for line in own if line.name == device]
        if not chosen:
            _fail(f"{user} has no such device" if own else f"{user} has no device", EXIT_NOT_DONE)
        if device is not None and len(chosen) > 1:
            _fail(f"{user} has {len(chosen)} devices of that name: give the number", EXIT_NOT_DONE)
        for row in device_table(chosen):
            click.echo(row)
        if not yes and not click.confirm("Revoke?"):
            sys.exit(EXIT_NOT_DONE)
        device_id = None if device is None else chosen[0].device_id
        gone = list(ask(config.admin_socket, Revoke(user, device_id)))
    if not gone:
        _fail("gone already", EXIT_NOT_DONE)
    click.echo(f"revoked: {len(gone)}")


def _devices(config: Config) -> list[DeviceLine]:
    replies = ask(config.admin_socket, ListAccounts())
    return [reply for reply in replies if isinstance(reply, DeviceLine)]


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One object a line, for programs.")
@_config_option
def status(as_json: bool, path: Path | None) -> None:
    """Show how the agent is: its sign-ons, its relays, its store, its last troubles."""
    with _errors():
        replies = list(ask(load(path).admin_socket, ShowStatus()))
    if as_json:
        for reply in replies:
            click.echo(encode_line(reply), nl=False)
    else:
        for row in status_lines(replies, time.time()):
            click.echo(row)
    if not is_well(replies):
        sys.exit(EXIT_NOT_DONE)


def _short_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """SIGN-ON-ID as logs have it."""
    if not re.match(SHORT_ID, value.strip().lower()):
        raise click.BadParameter("expected 13 letters and digits, as on the terminal or in a log")
    return value.strip().lower()


@main.command()
@click.argument("sign_on_id", metavar="SIGN-ON-ID", callback=_short_id)
@click.option("--json", "as_json", is_flag=True, help="One object, for programs.")
@_config_option
def why(sign_on_id: str, as_json: bool, path: Path | None) -> None:
    """Tell what happened to a sign-on or an enrolment, and what to do about it."""
    with _errors():
        (reply,) = ask(load(path).admin_socket, Why(sign_on_id))
    if as_json:
        click.echo(encode_line(reply), nl=False)
    elif isinstance(reply, Story):
        for row in story_lines(reply):
            click.echo(row)
    if isinstance(reply, Unknown):
        if not as_json:
            for row in unknown_lines(sign_on_id, reply):
                click.echo(row)
        sys.exit(EXIT_NOT_DONE)


@main.command("link-key")
@_config_option
def link_key(path: Path | None) -> None:
    """Print this host's line for the list of agents of a relay that is reached by TCP."""
    with _errors():
        config = load(path)
        try:
            found = list(ask(config.admin_socket, ShowLinkKey()))
        except UnreachableError:
            # Not running yet: the key is in the store, if this user may open it.
            if not (config.state / FILE_NAME).exists():
                raise
            found = [trio.run(_stored_link_key, config)]
    for reply in found:
        if isinstance(reply, LinkKey):
            click.echo(reply.line)


async def _stored_link_key(config: Config) -> LinkKey:
    async with Accounts.open(config.state, time.time()) as accounts:
        return LinkKey((await accounts.identity()).link_public, config.host)
