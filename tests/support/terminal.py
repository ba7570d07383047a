"""edge. A person's terminal: a program on a pseudo-terminal, what its screen shows, and keys."""

import codecs
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

PATIENCE: Final = 20.0
"""Seconds until something that must appear is missed: real programs on a busy machine."""
CTRL_C: Final = "\x03"
ENTER: Final = "\r"


@dataclass
class Terminal:
    """What the program has written so far is `screen`; escape sequences and all."""

    process: trio.Process
    keyboard: trio.lowlevel.FdStream
    screen: str = ""
    _changed: trio.Condition = field(default_factory=trio.Condition, repr=False)
    _over: bool = False

    async def shows(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Waits until `pattern` is on the screen behind its first `after` characters.

        Raises AssertionError when the program ends or PATIENCE is over before that.
        """
        with trio.move_on_after(PATIENCE):
            async with self._changed:
                while True:
                    found = re.compile(pattern).search(self.screen, after)
                    if found is not None:
                        return found
                    if self._over:
                        break
                    await self._changed.wait()
        state = "the program has ended" if self._over else f"{PATIENCE} s have passed"
        raise AssertionError(f"{pattern!r} is not on the screen, {state}:\n{self.screen}")

    async def type(self, keys: str) -> None:
        await self.keyboard.send_all(keys.encode())

    async def ends(self) -> int:
        """The program's exit code, once it has ended and its last words are on the screen."""
        with trio.move_on_after(PATIENCE):
            async with self._changed:
                while not self._over:
                    await self._changed.wait()
            return await self.process.wait()
        raise AssertionError(f"the program does not end:\n{self.screen}")

    async def leaves(self) -> int:
        """Ctrl-C, again each second as a person would, until the program has ended: its exit code.

        ssh's readpassphrase keeps the signal for after its read; one that falls between its prompt
        and its read is seen with the next only.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._insist, CTRL_C)
            code = await self.ends()
            nursery.cancel_scope.cancel()
        return code

    async def _insist(self, keys: str) -> None:
        while not self._over:
            await self.type(keys)
            await trio.sleep(1)

    async def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")  # letters come in pieces
        while True:
            try:
                received = await self.keyboard.receive_some()
            except trio.BrokenResourceError:
                received = b""  # Linux: EIO once no program has the terminal open
            async with self._changed:
                self.screen += decoder.decode(received)
                self._over = not received
                self._changed.notify_all()
            if not received:
                return


@asynccontextmanager
async def terminal(
    command: Sequence[str], *, env: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Runs `command` on a terminal of its own; hangs up on it at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    try:
        process = await trio.lowlevel.open_process(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, **(env or {})},
        )
    finally:
        os.close(theirs)
    shown = Terminal(process, trio.lowlevel.FdStream(ours))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shown._read)
        try:
            yield shown
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.wait()
                await shown.keyboard.aclose()
