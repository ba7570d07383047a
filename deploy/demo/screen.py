"""edge. How the demonstration speaks: one writer, plain lines, colour only on a terminal."""

import os
import sys
from typing import Final

_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"


def say(party: str, text: str) -> None:
    """One line of the set-up."""
    print(f"  {party:<7}  {text}", flush=True)


def heading(text: str) -> None:
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(f"\n{_BOLD}{text}{_PLAIN}\n" if wanted else f"\n{text}\n", flush=True)


def write(text: str = "", end: str = "\n") -> None:
    print(text, end=end, flush=True)


def indented(text: str) -> None:
    """What another program has written."""
    for line in text.strip("\n").splitlines():
        print(f"  {line}".rstrip(), flush=True)
