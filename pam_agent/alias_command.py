"""edge. `bartizan-agent alias`: several login names for one account's devices."""

from pathlib import Path

import click

from daemons.command_line import json_option, show
from pam_agent.admin_client import ask
from pam_agent.administration_wire import AliasLine, ListAdministration, SetAlias
from pam_agent.command_line import account_of, config_option, errors
from pam_agent.config import load
from protocol.text import clean


@click.command()
@click.argument("name", required=False, callback=account_of)
@click.argument("user", required=False, callback=account_of)
@click.option("--remove", is_flag=True, help="NAME stands for nobody else any more.")
@json_option
@config_option
def alias(
    name: str | None, user: str | None, remove: bool, as_json: bool, path: Path | None
) -> None:
    """Let who signs on as NAME be asked on USER's devices; without arguments, list such names.

    The devices show the account and, in the note, the name that was used.
    """
    if name is not None and (user is None) != remove:
        raise click.UsageError("give NAME and USER, or NAME and --remove")
    with errors():
        config = load(path)
        request = ListAdministration() if name is None else SetAlias(name, user)
        lines = [each for each in ask(config.admin_socket, request) if isinstance(each, AliasLine)]
    show(lines, (row(line) for line in lines), as_json=as_json)


def row(line: AliasLine) -> str:
    """As lists have it."""
    return f"{clean(line.name)} signs on with the devices of {clean(line.account)}"
