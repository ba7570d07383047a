"""edge. The real program in a process of its own: on a pseudo-terminal with a user, or without."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

PROGRAM = [sys.executable, "-c", "from validator.cli import main; main()"]
PATIENCE = 20.0
"""Seconds until a test gives up on something that should come at once."""


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BARTIZAN_", "XDG_", "LC_")) and name != "NO_COLOR"
    }
    return kept | {"BARTIZAN_HOME": str(home), "TERM": "xterm", "LANG": "C.UTF-8"} | more


async def run(
    env: Mapping[str, str], *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Without a terminal, to the end."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [*PROGRAM, *arguments],
            env=env,
            stdin=stdin.encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            start_new_session=True,  # the terminal of who runs the tests is not its own
        )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


class TerminalUser:
    """Reads the screen and presses keys."""

    def __init__(self, process: trio.Process, master: int) -> None:
        self.hung_up = False
        self.process = process
        self.screen = ""
        self.raw = b""
        self._master = master
        self._read_to = 0

    async def see(self, text: str) -> None:
        """Wait until `text` stands on the screen, after what was seen before."""
        with trio.move_on_after(PATIENCE):
            while (place := self.screen.find(text, self._read_to)) < 0:
                if not await self._read():
                    break
            else:
                self._read_to = place + len(text)
                return
        raise AssertionError(f"{text!r} never came; the screen is:\n{self.screen}")

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def ended(self) -> int:
        """Everything to the end of the program; its exit code."""
        with trio.fail_after(PATIENCE):
            while await self._read():
                pass
            code = await self.process.wait()
        assert "Traceback" not in self.screen, self.screen
        return code

    def hang_up(self) -> None:
        """The terminal goes away under the program."""
        self.hung_up = True
        os.close(self._master)

    async def insist(self, key: str) -> int:
        """Press `key` again and again until the program ends; the exit code.

        Once is not enough for Ctrl-C at a line that is being typed: between the prompt and the
        reading of the line Python takes no notice of it.
        """
        async with trio.open_nursery() as nursery:

            async def press() -> None:
                while True:
                    with suppress(OSError):  # it may have ended just now
                        self.press(key)
                    await trio.sleep(0.1)

            nursery.start_soon(press)
            code = await self.ended()
            nursery.cancel_scope.cancel()
        return code

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    async def _read(self) -> bool:
        await trio.lowlevel.wait_readable(self._master)
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the program has ended
            data = b""
        self.raw += data
        text = self.raw.decode(errors="replace")  # of a letter, half may be there
        self.screen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")
        return bool(data)


@asynccontextmanager
async def at_terminal(
    env: Mapping[str, str], *arguments: str, columns: int = 80, nohup: bool = False
) -> AsyncIterator[TerminalUser]:
    """The program with a terminal of its own; with `nohup` it outlives it."""

    def in_child() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        # Whoever started the tests may ignore it, and a process inherits that.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    os.set_blocking(master, False)
    process = await trio.lowlevel.open_process(
        [*PROGRAM, *arguments],
        env=env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=in_child,
    )
    os.close(slave)
    user = TerminalUser(process, master)
    try:
        yield user
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        if not user.hung_up:
            os.close(master)
