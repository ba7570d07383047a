"""edge. A daemon as a child process, and the JSON lines of its log."""

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import trio
from failed import FailedError

STOP_SECONDS: Final = 3.0
"""A relay or an agent with nothing to do ends in milliseconds; then it is killed."""

Line = dict[str, Any]


@dataclass
class Daemon:
    """`lines` is what it has logged so far, objects only; `other` is all else it has written."""

    name: str
    process: trio.Process
    lines: list[Line] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    _over: bool = False
    _changed: trio.Condition = field(default_factory=trio.Condition)

    async def logs(self, wanted: Callable[[Line], bool], seconds: float) -> Line | None:
        """The first line that is wanted; None when there is none in time or any more."""
        with trio.move_on_after(seconds):
            async with self._changed:
                while True:
                    for line in self.lines:
                        if wanted(line):
                            return line
                    if self._over:
                        return None
                    await self._changed.wait()
        return None

    async def must_log(self, event: str, seconds: float) -> Line:
        """The first line of this event. Raises FailedError with the log's end."""
        line = await self.logs(lambda each: each.get("event") == event, seconds)
        if line is None:
            last = [*self.other, *(json.dumps(each) for each in self.lines)][-10:]
            text = "\n".join(f"  {each}" for each in last)
            state = "ended at once" if self._over else f"is not ready after {seconds:g} s"
            raise FailedError(f"{self.name} {state}. It said:\n{text}")
        return line

    async def _read(self) -> None:
        assert self.process.stderr is not None
        rest = b""
        async for data in self.process.stderr:
            *whole, rest = (rest + data).split(b"\n")
            async with self._changed:
                for line in whole:
                    self._take(line.decode(errors="replace"))
                self._changed.notify_all()
        async with self._changed:
            self._over = True
            self._changed.notify_all()

    def _take(self, text: str) -> None:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if isinstance(line, dict):
            self.lines.append(line)
        else:
            self.other.append(text)


@asynccontextmanager
async def daemon(name: str, command: Sequence[str]) -> AsyncIterator[Daemon]:
    """Runs `command` in a session of its own: Ctrl-C is for us, who then end it in order."""
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    running = Daemon(name, process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running._read)
        try:
            yield running
        finally:
            with trio.CancelScope(shield=True):
                process.terminate()
                with trio.move_on_after(STOP_SECONDS):
                    await process.wait()
                process.kill()
                await process.wait()
            nursery.cancel_scope.cancel()
