"""edge. The agent's log: one line per event on standard error, JSON for machines or for people.

Fields never hold a passcode, a tag, a key or an enrolment code.
"""

import contextlib
import logging
import sys
import time
from functools import partial
from typing import Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from pam_agent.settings import Log, LogFormat
from pam_agent.troubles import Troubles
from protocol.text import clean

_MICROSECONDS: Final = 1_000_000


def configure(
    settings: Log, troubles: Troubles | None = None, stream: TextIO | None = None
) -> None:
    """Set structlog up for the whole process. `stream` is standard error when None.

    `troubles` is told of warnings and errors.
    """
    out = stream or sys.stderr
    chosen = settings.format or (LogFormat.CONSOLE if out.isatty() else LogFormat.JSON)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
        if chosen is LogFormat.CONSOLE
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _stamp,
            _clean_texts,
            *([] if troubles is None else [partial(_remember, troubles)]),
            # As Python prints it: prettier ones show local variables, and those hold secrets.
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=lambda *_names: _Lines(out),
        cache_logger_on_first_use=False,
    )


class _Lines:
    """Writes a line per event, whatever its level; never the reason why a sign-on fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        # A full disk or a dead reader behind standard error: nobody is left to be told.
        with contextlib.suppress(OSError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """`time` in Unix seconds with microseconds; nanoseconds would promise what no clock keeps."""
    event["time"] = time.time_ns() // 1000 / _MICROSECONDS
    return event


def _clean_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Names come from strangers: no control character of theirs reaches a terminal or a log."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = clean(value)
    return event


def _remember(
    troubles: Troubles, _logger: WrappedLogger, _method: str, event: EventDict
) -> EventDict:
    if event["level"] not in ("debug", "info"):
        troubles.note(event["time"], event["level"], event)
    return event


def _json(event: EventDict, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
