"""edge. QR codes on the terminal, where it can show one."""

import os
import shutil
import sys
from collections.abc import Sequence

import click


def can_show(lines: Sequence[str]) -> bool:
    """Whether standard output is a terminal that shows half blocks and is wide enough."""
    return (
        sys.stdout.isatty()
        and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        and os.environ.get("TERM", "dumb") != "dumb"
        and shutil.get_terminal_size().columns >= len(lines[0])
    )


def show_qr(lines: Sequence[str]) -> None:
    """Light on dark whatever the terminal's colours are: that is how scanners know it."""
    for line in lines:
        click.echo(click.style(line, fg="bright_white", bg="black"))
