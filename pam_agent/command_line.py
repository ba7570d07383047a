"""edge. What all commands of `bartizan-agent` share.

Exit codes: 0 done; 1 not done, or not well; 2 the command line is wrong; 3 the configuration or the
store is bad, or a socket cannot be listened on; 4 no daemon answers.
"""

import pwd
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NoReturn

import click

from daemons import command_line
from daemons.supervision import SupervisionError
from daemons.unix_listener import ListenError
from pam_agent.config import DEFAULT_PATH, ConfigError
from pam_agent.schema import StoreError
from pam_agent.wire_values import MAX_ACCOUNT
from protocol.text import clean

PROGRAM: Final = "bartizan-agent"
EXIT_BAD_SETUP: Final = 3

_CODES: Final[Mapping[type[Exception], int]] = dict.fromkeys(
    (ConfigError, StoreError, ListenError, SupervisionError), EXIT_BAD_SETUP
)

config_option: Final = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help=f"Configuration file; without it {DEFAULT_PATH}, or the default.",
)


def account_of(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    """USER as a name that the daemon takes."""
    if value is None:
        return None
    if not value or clean(value) != value or len(value) > MAX_ACCOUNT:
        raise click.BadParameter(f"expected 1 to {MAX_ACCOUNT} printable characters")
    return value


user_argument: Final = click.argument("user", callback=account_of)


def note_unknown(user: str) -> None:
    """Say so when this host does not know the user: it may be a slip, or come later."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        click.echo(f"note: this host knows no user {user}; doing it anyway", err=True)


def errors() -> AbstractContextManager[None]:
    """What can go wrong, as lines on standard error and an exit code."""
    return command_line.failing(PROGRAM, _CODES)


def fail(message: str, code: int) -> NoReturn:
    command_line.fail(PROGRAM, message, code)
