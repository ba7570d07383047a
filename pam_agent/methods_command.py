"""edge. `bartizan-agent methods`: how one user may sign on, other than the service says."""

from pathlib import Path

import click

from daemons.command_line import json_option, show
from pam_agent.admin_client import ask
from pam_agent.administration_wire import ListAdministration, MethodsLine, SetMethods
from pam_agent.command_line import account_of, config_option, errors
from pam_agent.config import load
from pam_agent.methods import Method
from pam_agent.wire_values import ANY_SERVICE, MAX_SERVICE_NAME
from protocol.text import clean


def _service(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value or clean(value) != value or len(value) > MAX_SERVICE_NAME:
        raise click.BadParameter(f"expected 1 to {MAX_SERVICE_NAME} printable characters")
    return value


@click.command()
@click.argument("user", required=False, callback=account_of)
@click.argument("method", nargs=-1, type=click.Choice([each.value for each in Method]))
@click.option(
    "--service",
    default=ANY_SERVICE,
    callback=_service,
    help="For this PAM service only; without it for each that has no line of its own.",
)
@click.option("--remove", is_flag=True, help="Again as the service's configuration says.")
@json_option
@config_option
def methods(
    user: str | None,
    method: tuple[str, ...],
    service: str,
    remove: bool,
    as_json: bool,
    path: Path | None,
) -> None:
    """Let USER sign on by METHOD only (approve, code, ticket, totp); without USER, list.

    It takes away from what the service allows, and adds nothing, but for totp: an account that has
    a TOTP secret may use it where this says so.
    """
    if user is not None and bool(method) == remove:
        raise click.UsageError("give USER and METHOD, or USER and --remove")
    if user is None and remove:
        raise click.UsageError("for whom? Give USER")
    with errors():
        config = load(path)
        chosen = tuple(each for each in Method if each in method)
        request = ListAdministration() if user is None else SetMethods(user, service, chosen)
        lines = [
            each for each in ask(config.admin_socket, request) if isinstance(each, MethodsLine)
        ]
    show(lines, (row(line) for line in lines), as_json=as_json)


def row(line: MethodsLine) -> str:
    """As lists have it."""
    where = "every service" if line.service == ANY_SERVICE else clean(line.service)
    return f"{clean(line.account)} for {where}: {', '.join(line.methods)}"
