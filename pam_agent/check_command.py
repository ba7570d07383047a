"""edge. `bartizan-agent check`: what is wrong with the set-up of this host."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from daemons.command_line import json_option, show
from pam_agent import check
from pam_agent.check_finding import Finding, Weight
from pam_agent.command_line import EXIT_BAD_SETUP, config_option, errors
from pam_agent.config import DEFAULT_PATH, load
from protocol.text import clean

EXIT_MISTAKES: Final = 1


@click.command("check")
@config_option
@click.option(
    "--root",
    default="/",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Check the files of the host that lie there; nothing that runs is asked but sshd -T.",
)
@click.option(
    "--meant",
    multiple=True,
    metavar="'Match ...'",
    help="A Match block of sshd's, or Defaults:... of sudo's, that goes without on purpose.",
)
@json_option
def check_setup(path: Path | None, root: Path, meant: tuple[str, ...], as_json: bool) -> None:
    """Look through PAM's stacks, sshd, sudo and what else a sign-on needs, and say what is wrong.

    Exit code 0: no mistake; 1: mistakes; 3: no mistake, but not all could be looked at.
    """
    with errors():
        found = list(check.findings(check.Host(load(path), root, meant, path or DEFAULT_PATH)))
        show(found, _rows(found), as_json=as_json)
    weights = {each.weight for each in found}
    if Weight.MISTAKE in weights:
        sys.exit(EXIT_MISTAKES)
    if Weight.UNCHECKED in weights:
        sys.exit(EXIT_BAD_SETUP)


def _rows(found: list[Finding]) -> Iterator[str]:
    """A paragraph for each, and the sum."""
    for each in found:
        about = f"{each.service}: " if each.service else ""
        yield f"{each.weight}: {about}{each.word}"
        yield f"  at      {clean(each.where)}"
        yield f"  wrong   {clean(each.wrong)}" if each.instead else f"  know    {clean(each.wrong)}"
        if each.instead:
            yield f"  do      {clean(each.instead)}"
        yield ""
    mistakes = sum(each.weight is Weight.MISTAKE for each in found)
    unseen = sum(each.weight is Weight.UNCHECKED for each in found)
    yield f"{mistakes or 'no'} mistake{'' if mistakes == 1 else 's'} found" + (
        f", {unseen} not looked at" if unseen else ""
    )
