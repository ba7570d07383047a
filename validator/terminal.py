"""edge. The user's terminal: lines out, single keys in."""

import os
import shutil
import sys
import termios
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from io import TextIOWrapper
from typing import Final, TextIO, TypeVar

import click
import trio

from protocol.text import clean
from validator.keypress import KeyReader, Special
from validator.layout import Line, Tone, usable_width

_T = TypeVar("_T")

_LOCAL_FLAGS: Final = 3
_CONTROL_CHARACTERS: Final = 6
"""Places in the list that termios.tcgetattr gives."""
_READ_SIZE: Final = 256
_CONTROLLING: Final = "/dev/tty"
SETTLE: Final = 0.2
"""Seconds before a question stands in which keys do not count. The kernel passes on what was typed
a little later than it was; and nobody has read by then what is asked about."""
_MAX_LINE: Final = 4096
"""Bytes: what a terminal gives at most of one line."""

_STYLES: Final[dict[Tone, Callable[[str], str]]] = {
    Tone.PLAIN: str,
    Tone.HEADING: partial(click.style, bold=True),
    Tone.QUIET: partial(click.style, dim=True),
    Tone.GOOD: partial(click.style, fg="green", bold=True),
    Tone.WARNING: partial(click.style, fg="yellow", bold=True),
}


class NoTerminalError(Exception):
    """This process has no terminal on which a person could type."""


class Terminal:
    """Standard input and output of this process, when they are a terminal."""

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        """Whether a person sees what is written and can press a key."""
        self.width = usable_width(shutil.get_terminal_size().columns)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A locale without the letters of a name shows a `?` instead of failing.
                stream.reconfigure(errors="replace")

    def show(self, lines: Iterable[Line], *, err: bool = False) -> None:
        """Write lines; with `err` to standard error, for what is not the command's result."""
        stream = sys.stderr if err else sys.stdout
        colour = self._colour(stream)
        text = "\n".join(_STYLES[line.tone](line.text) if colour else line.text for line in lines)
        self._write(stream, text + "\n" if text else "")

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        """Write and flush. Where nobody reads any more, the sign-on goes on and the code tells."""
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())

    def complain(self, *texts: str) -> None:
        """Write to standard error, unwrapped: a path that is cut in two cannot be copied."""
        self.show([Line(clean(text), Tone.WARNING) for text in texts], err=True)

    @staticmethod
    def _colour(stream: TextIO) -> bool:
        """Only on a terminal, and not where the user asks for none (no-color.org)."""
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
        return wanted and stream.isatty()

    async def key(self, question: str, keys: Mapping[str | Special, _T]) -> _T | None:
        """Ask until one of `keys` is pressed; None when the user leaves.

        What was typed before the question stood on the screen is thrown away: it cannot be an
        answer to it.
        """
        with self._single_keys():
            with trio.move_on_after(SETTLE):
                await self._answer({})
                return None
            self._write(sys.stdout, question)
            return await self._answer(keys)

    @staticmethod
    async def _answer(keys: Mapping[str | Special, _T]) -> _T | None:
        """What the first of `keys` stands for; None when the user leaves."""
        reader = KeyReader()
        while True:
            await trio.lowlevel.wait_readable(sys.stdin.fileno())
            try:
                data = os.read(sys.stdin.fileno(), _READ_SIZE)
            except OSError:
                data = b""
            pressed = reader.feed(data) if data else Special.LEAVE
            if pressed is Special.LEAVE:
                return None
            if pressed is not None and pressed in keys:
                return keys[pressed]

    def hidden(self, question: str) -> str:
        """One line that the terminal does not show. Raises click.Abort, and NoTerminalError.

        It is the process's own terminal that is asked: standard input and output may be pipes of a
        program that is waiting for a ticket.
        """
        try:
            descriptor = os.open(_CONTROLLING, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            raise NoTerminalError from None
        try:
            with _changed(descriptor, termios.ECHO):
                os.write(descriptor, clean(question).encode(errors="replace"))
                try:
                    data = os.read(descriptor, _MAX_LINE)
                finally:
                    os.write(descriptor, b"\n")
        except (OSError, termios.error):  # the terminal is gone
            data = b""
        finally:
            os.close(descriptor)
        if not data:
            raise click.Abort
        return data.decode(errors="replace").rstrip("\r\n")

    @contextmanager
    def _single_keys(self) -> Iterator[None]:
        """No echo and no line editing; Ctrl-C is a key. Ends with a line break."""
        try:
            with _changed(sys.stdin.fileno(), termios.ECHO | termios.ICANON | termios.ISIG):
                yield
        finally:
            self._write(sys.stdout, "\n")


@contextmanager
def _changed(descriptor: int, without: int) -> Iterator[None]:
    """The terminal without the local flags `without`; what was typed and not read is gone."""
    before = termios.tcgetattr(descriptor)
    during = termios.tcgetattr(descriptor)
    during[_LOCAL_FLAGS] &= ~without
    if without & termios.ICANON:
        during[_CONTROL_CHARACTERS][termios.VMIN] = 1
        during[_CONTROL_CHARACTERS][termios.VTIME] = 0
    # TCSAFLUSH throws away what was typed and not read.
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, during)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
