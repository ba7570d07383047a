"""edge. What the command lines of all daemons share: how they fail, what they are told, what they
show."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn

import click
import msgspec
from msgspec import Struct

from daemons.admin_client import RefusedError, UnreachableError
from daemons.lines import SHORT_ID

EXIT_NOT_DONE: Final = 1
EXIT_UNREACHABLE: Final = 4

_COMMON: Final[Mapping[type[Exception], int]] = {
    RefusedError: EXIT_NOT_DONE,
    UnreachableError: EXIT_UNREACHABLE,
}


def fail(program: str, message: str, code: int) -> NoReturn:
    """End with `code`, each line of `message` on standard error with the program's name."""
    for line in message.splitlines():
        click.echo(f"{program}: {line}", err=True)
    sys.exit(code)


@contextmanager
def failing(program: str, codes: Mapping[type[Exception], int]) -> Iterator[None]:
    """What can go wrong, as lines on standard error and an exit code. `codes` has the program's own
    errors beside those of asking a daemon."""
    known = {**_COMMON, **codes}
    try:
        yield
    except tuple(known) as error:
        fail(program, str(error), next(known[kind] for kind in known if isinstance(error, kind)))


def _short_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """SIGN-ON-ID as logs have it."""
    if not re.match(SHORT_ID, value.strip().lower()):
        raise click.BadParameter("expected 13 letters and digits, as on the terminal or in a log")
    return value.strip().lower()


sign_on_id_argument: Final = click.argument("sign_on_id", metavar="SIGN-ON-ID", callback=_short_id)

json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="One object a line, for programs."
)


def as_json_text(message: Struct | Sequence[Struct]) -> str:
    """For programs, and for a terminal that it may be printed on: ASCII, whatever is in it."""
    text = json.dumps(msgspec.to_builtins(message), separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")


def show(replies: Iterable[Struct], rows: Iterable[str], *, as_json: bool) -> None:
    """The replies of a daemon as they are, or the rows that tell people of them."""
    if as_json:
        for reply in replies:
            click.echo(as_json_text(reply))
        return
    for row in rows:
        click.echo(row)
