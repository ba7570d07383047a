"""edge. docs/operator.md as a program: its code blocks, and what each of them is for.

A block's first line says what it is: `sh HOST` or `sh HOST as USER` are commands there, and with a
path it is what the file of that path is to contain, or contain in the place of another line.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GUIDE: Final = Path(__file__).parents[2] / "docs" / "operator.md"

_BLOCK: Final = re.compile(r"^```(\w+) ([^\n`]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A line that somebody types on a machine."""

    where: str
    user: str
    line: str


@dataclass(frozen=True)
class Edit:
    """Text that somebody puts into a file."""

    kind: str
    path: str
    text: str


def steps(text: str) -> list[Command | Edit]:
    """All of them, in the guide's order. Blocks without a place are for the reader alone."""
    found: list[Command | Edit] = []
    for kind, what, body in _BLOCK.findall(text):
        if kind != "sh":
            found.append(Edit(kind, what, body))
            continue
        where, _, user = what.partition(" as ")
        lines = body.replace("\\\n", " ").splitlines()
        found += [Command(where, user or "root", line) for line in lines if shlex.split(line)]
    return found
