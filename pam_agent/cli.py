"""edge. `bartizan-agent`: the command line.

Exit codes are those of pam_agent.command_line. Not done is an enrolment without a device, nothing
to revoke, an answer of no, a sign-on that is not known; not well (`status`) no relay up, or no
store.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

import click
import trio

from daemons import logs, systemd
from daemons.admin_client import UnreachableError
from daemons.command_line import (
    EXIT_NOT_DONE,
    as_json_text,
    json_option,
    show,
    sign_on_id_argument,
)
from daemons.unix_listener import ListenError
from pam_agent import service, store_keys
from pam_agent.accounts import Accounts
from pam_agent.activation import activated
from pam_agent.admin_client import ask
from pam_agent.admin_wire import (
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
from pam_agent.administration_wire import ListAdministration
from pam_agent.alias_command import alias
from pam_agent.audit_command import audit
from pam_agent.breakglass_command import breakglass
from pam_agent.check_command import check_setup
from pam_agent.command_line import config_option, errors, fail, note_unknown, user_argument
from pam_agent.config import DEFAULT_PATH, load
from pam_agent.enrolment_events import Compare, Enrolled, Failed, Offered
from pam_agent.message_ids import JOURNAL_FORM
from pam_agent.methods_command import methods
from pam_agent.report import is_well, status_lines, why_lines
from pam_agent.schema import FILE_NAME, StoreError
from pam_agent.settings import Config
from pam_agent.terminal import (
    FAILURES,
    administration_rows,
    config_summary,
    device_table,
    show_event,
)
from pam_agent.totp_command import totp
from pam_agent.totp_wire import TotpLine


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bartizan", prog_name="bartizan-agent")
def main() -> None:
    """The host's agent: signs users on who approve on a device of theirs."""


@main.command()
@config_option
def serve(path: Path | None) -> None:
    """Run the daemon in the foreground, until SIGTERM or SIGINT; SIGHUP reads FILE again."""
    with errors():
        told = systemd.take()
        config = load(path)
        book = logs.configure(config.log, JOURNAL_FORM)
        given = activated(told, config)
        manager = systemd.Manager(told)
        try:
            keys = store_keys.from_credentials(os.environ)
            trio.run(service.run, config, keys, partial(load, path), manager, given, book)
        except BaseExceptionGroup as group:
            expected, others = group.split((StoreError, ListenError))
            if expected is None or others is not None:
                raise
            raise _first(expected) from None


@main.command("check-config")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@config_option
def check_config(file: Path | None, path: Path | None) -> None:
    """Read FILE as `serve` does, open nothing, and say every mistake in it, or what it comes to."""
    with errors():
        config = load(file or path)
    click.echo(f"{file or path or DEFAULT_PATH}: no mistake found")
    for row in config_summary(config):
        click.echo(row)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


for _command in (alias, audit, breakglass, check_setup, methods, totp):
    main.add_command(_command)


@main.command()
@user_argument
@click.option("--no-qr", is_flag=True, help="Show the typed code only.")
@click.option("--json", "as_json", is_flag=True, help="An event a line, for programs.")
@config_option
def enroll(user: str, no_qr: bool, as_json: bool, path: Path | None) -> None:
    """Enrol a new device for USER: shows a code, and waits until a device has used it."""
    with errors():
        config = load(path)
        note_unknown(user)
        enrolled = False
        for event in ask(config.admin_socket, Enroll(user), patience=None):
            if as_json:
                click.echo(as_json_text(event))
            elif isinstance(event, Offered | Compare | Enrolled):
                show_event(event, user, with_qr=not no_qr)
            if isinstance(event, Failed):
                fail(f"not enrolled: {FAILURES[event.reason]}", EXIT_NOT_DONE)
            enrolled = isinstance(event, Enrolled)
    if not enrolled:
        fail("not enrolled: the agent ended it; see its log", EXIT_NOT_DONE)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One array of objects.")
@config_option
def accounts(as_json: bool, path: Path | None) -> None:
    """List the accounts' devices, other names, methods, and who needs no device for a while."""
    with errors():
        config = load(path)
        devices = _devices(config)
        others = list(ask(config.admin_socket, ListAdministration()))
    if as_json:
        click.echo(as_json_text([*devices, *others]))
        return
    for row in (*device_table(devices), *administration_rows(others)):
        click.echo(row)


@main.command()
@user_argument
@click.argument("device", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def revoke(user: str, device: str | None, yes: bool, path: Path | None) -> None:
    """Remove USER's DEVICE (its number or name, see `accounts`), or all devices of USER.

    What was going on with it cannot succeed any more. It can only be enrolled anew.
    """
    with errors():
        config = load(path)
        own = [line for line in _devices(config) if line.account == user]
        chosen = [line for line in own if device in (None, str(line.device_id))]
        chosen = chosen or [line for line in own if line.name == device]
        if not chosen:
            fail(f"{user} has no such device" if own else f"{user} has no device", EXIT_NOT_DONE)
        if device is not None and len(chosen) > 1:
            fail(f"{user} has {len(chosen)} devices of that name: give the number", EXIT_NOT_DONE)
        for row in device_table(chosen):
            click.echo(row)
        if not yes and not click.confirm("Revoke?"):
            sys.exit(EXIT_NOT_DONE)
        device_id = None if device is None else chosen[0].device_id
        gone = list(ask(config.admin_socket, Revoke(user, device_id)))
        rest = list(ask(config.admin_socket, ListAdministration()))
    if not gone:
        fail("gone already", EXIT_NOT_DONE)
    click.echo(f"revoked: {len(gone)}")
    if device is None and any(isinstance(each, TotpLine) and each.account == user for each in rest):
        click.echo(f"{user} still has an authenticator app: bartizan-agent totp {user} --remove")


def _devices(config: Config) -> list[DeviceLine]:
    replies = ask(config.admin_socket, ListAccounts())
    return [reply for reply in replies if isinstance(reply, DeviceLine)]


@main.command()
@json_option
@config_option
def status(as_json: bool, path: Path | None) -> None:
    """Show how the agent is: its sign-ons, its relays, its store, its last troubles."""
    with errors():
        replies = list(ask(load(path).admin_socket, ShowStatus()))
    show(replies, status_lines(replies, time.time()), as_json=as_json)
    if not is_well(replies):
        sys.exit(EXIT_NOT_DONE)


@main.command()
@sign_on_id_argument
@json_option
@config_option
def why(sign_on_id: str, as_json: bool, path: Path | None) -> None:
    """Tell what happened to a sign-on or an enrolment, and what to do about it."""
    with errors():
        replies = list(ask(load(path).admin_socket, Why(sign_on_id)))
    show(replies, why_lines(sign_on_id, replies), as_json=as_json)
    if any(isinstance(reply, Unknown) for reply in replies):
        sys.exit(EXIT_NOT_DONE)


@main.command("link-key")
@config_option
def link_key(path: Path | None) -> None:
    """Print this host's line for the list of agents of a relay that is reached by TCP."""
    with errors():
        config = load(path)
        try:
            found = list(ask(config.admin_socket, ShowLinkKey()))
        except UnreachableError:
            # Not running yet: the key is in the store, if this user may open it.
            if not (config.state / FILE_NAME).exists():
                raise
            _become_owner(config.state)
            found = [trio.run(_stored_link_key, config)]
    for reply in found:
        if isinstance(reply, LinkKey):
            click.echo(reply.line)


def _become_owner(state: Path) -> None:
    """Root goes on as the store's own user, and leaves no file of root's there."""
    owner = state.lstat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)


async def _stored_link_key(config: Config) -> LinkKey:
    async with Accounts.open(config.state, time.time()) as accounts:
        return LinkKey((await accounts.identity()).link_public, config.host)
