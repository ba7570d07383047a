"""edge. Runs one sign-on to its end, also when the user breaks it off, and logs it."""

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import click
import trio

from protocol.keys import Mode
from protocol.signon_messages import Context
from validator import client
from validator.choice import Choice
from validator.endings import Ending
from validator.outcomes import Outcome
from validator.record import Record
from validator.timeline import Step, Timeline

_T = TypeVar("_T")

_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class TimelineLog:
    """The file of `--log-json`, opened before anything is sent; or none."""

    def __init__(self, path: Path | None) -> None:
        """Raises click.UsageError when the file cannot be written."""
        self._descriptor: int | None = None
        if path is not None:
            try:
                self._descriptor = os.open(path, _APPEND, 0o600)
            except OSError as error:
                raise click.UsageError(f"cannot write the log {path}: {error.strerror}") from None

    def append(self, line: str) -> None:
        """One write, so that lines of several programs do not mix."""
        if self._descriptor is not None:
            with suppress(OSError):  # a full disk must not hide how the sign-on ended
                os.write(self._descriptor, line.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def run(task: Callable[[], Awaitable[_T]]) -> _T | None:
    """Run `task` under Trio; None when the user interrupts it."""
    result: _T | None = None
    try:
        result = trio.run(task)
    except* KeyboardInterrupt:  # bare, or in the group of a nursery
        pass
    return result


def attempt(
    store: Callable[[Record], None],
    record: Record,
    mode: Mode,
    passcode: str,
    decide: Callable[[Context], Awaitable[Choice | None]],
    log: TimelineLog,
    patience: float = 0.0,
) -> Ending:
    """One sign-on, with its line in the log. `patience` in seconds; `store` raises KeyStoreError.

    `record` is locked by this process, and unlocked if it is under a PIN.
    """
    timeline = Timeline()
    device = client.Device(decide, store, time.time)
    ending = run(
        partial(client.sign_on, record, mode, passcode, device, timeline, patience=patience)
    )
    if ending is None:
        decided = Step.DECIDED in timeline.at
        ending = Ending(Outcome.UNKNOWN if decided else Outcome.UNDECIDED, record.host, record.user)
    log.append(timeline.line(mode, ending.outcome))
    return ending
