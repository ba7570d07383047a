"""edge. `bartizan-relay top`: the terminal, the clock, and the keys.

Plain ANSI. The terminal is put back whatever happens.
"""

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from daemons.report import span
from relay.admin_wire import Reply, Status
from relay.screen import COLUMNS, Row, Screen, Style

ROWS: Final = 24
"""Without a terminal that says how many it has."""

_CODES: Final = {
    Style.PLAIN: "",
    Style.TITLE: "\x1b[1m",
    Style.FAINT: "\x1b[2m",
    Style.GOOD: "\x1b[32m",
    Style.BAD: "\x1b[1;31m",
}
_RESET: Final = "\x1b[0m"
_ENTER: Final = "\x1b[?1049h\x1b[?25l"
"""The other screen, and no cursor."""
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_TO_THE_END: Final = "\x1b[K"
_BELOW: Final = "\x1b[J"
_QUIT: Final = (b"q", b"Q", b"\x03", b"\x04", b"")


def watch(ask: Callable[[], list[Reply]], interval: float, *, once: bool) -> None:
    """Until q or Ctrl-C. With `once`, or where no terminal is: one picture."""
    screen = Screen()
    replies = ask()
    screen.look(replies, time.monotonic())
    if once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        size = shutil.get_terminal_size((COLUMNS, ROWS))
        for row in _rows(screen, replies, max(size.lines, ROWS)):
            sys.stdout.write(f"{_drawn(row, styled=sys.stdout.isatty())}\n")
        return
    styled = "NO_COLOR" not in os.environ
    with _whole_terminal():
        while True:
            size = shutil.get_terminal_size((COLUMNS, ROWS))
            rows = _rows(screen, replies, size.lines)
            lines = [f"{_drawn(row, styled=styled)}{_TO_THE_END}" for row in rows]
            sys.stdout.write(_HOME + "\r\n".join(lines) + _BELOW)
            sys.stdout.flush()
            if _quits(interval):
                return
            replies = ask()
            screen.look(replies, time.monotonic())


def _rows(screen: Screen, replies: list[Reply], most: int) -> list[Row]:
    now = time.time()
    began = [reply.began for reply in replies if isinstance(reply, Status)]
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    return screen.rows(replies, clock, span(now - min(began, default=now)), most)


def _drawn(row: Row, *, styled: bool) -> str:
    if not styled:
        return "".join(text for _, text in row).rstrip()
    return "".join(f"{_CODES[style]}{text}{_RESET}" for style, text in row)


@contextmanager
def _whole_terminal() -> Iterator[None]:
    """Keys come one by one, nothing is echoed; afterwards all is as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(descriptor)
        sys.stdout.write(_ENTER)
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _quits(seconds: float) -> bool:
    """Whether one of the keys to leave came in that time."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([sys.stdin], [], [], left)
        if ready and os.read(sys.stdin.fileno(), 1) in _QUIT:
            return True
    return False
