"""edge. The agent's log: an event is a line of JSON, a line for people, or an entry of the journal.

It is chosen by where standard error goes, and nothing ever waits for it. Fields never hold a
passcode, a tag, a key or an enrolment code.
"""

import logging
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from daemons import message_ids
from daemons.journal import ADDRESS, JournalForm
from daemons.log_sinks import STANDARD_ERROR, JournalSink, Sink, StreamSink, goes_to_journal
from pam_agent.message_ids import MESSAGE_IDS
from pam_agent.settings import Log, LogFormat, LogLevel
from pam_agent.troubles import Troubles
from protocol.text import clean

IDENTIFIER: Final = "bartizan-agent"
"""SYSLOG_IDENTIFIER of the journal's entries."""

_MICROSECONDS: Final = 1_000_000
_JOURNAL: Final = JournalForm(IDENTIFIER, {**message_ids.MESSAGE_IDS, **MESSAGE_IDS})


class Book:
    """The log of this process, once it is `configured`."""

    def __init__(self, sink: Sink) -> None:
        self.troubles: Final = Troubles()
        self._sink: Final = sink

    @property
    def dropped(self) -> int:
        """How many lines or entries were lost, because nobody took them."""
        return self._sink.dropped

    def close(self) -> None:
        self._sink.close()


def configure(
    settings: Log,
    descriptor: int = STANDARD_ERROR,
    environment: Mapping[str, str] = os.environ,
    journal: str = ADDRESS,
) -> Book:
    """Set structlog up for the whole process. `journal` is the path of its socket."""
    chosen = _chosen(settings.format, descriptor, environment, journal)
    render = _renderer(chosen, descriptor)

    def lost(count: int) -> bytes:
        event: EventDict = {"event": "log dropped", "count": count, "level": "warning"}
        line = render(None, "", _stamp(None, "", event))
        return _bytes(line)

    to_journal = chosen is LogFormat.JOURNAL
    sink: Sink = JournalSink(lost, journal) if to_journal else StreamSink(descriptor, lost)
    book = Book(sink)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _stamp,
            _clean_texts,
            partial(_remember, book.troubles),
            # As Python prints it: prettier ones show local variables, and those hold secrets.
            structlog.processors.format_exc_info,
            render,
        ],
        logger_factory=lambda *_names: _Lines(sink),
        cache_logger_on_first_use=False,
    )
    set_level(settings.level)
    if settings.format is LogFormat.JOURNAL and not to_journal:
        structlog.get_logger().warning("no journal", advice="log.format: use auto")
    return book


def set_level(level: LogLevel) -> None:
    """Log nothing below it from now on."""
    lowest = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(lowest))


def _chosen(
    wanted: LogFormat, descriptor: int, environment: Mapping[str, str], journal: str
) -> LogFormat:
    """For the journal where that reads, for people on a terminal, else for machines."""
    if wanted in (LogFormat.JSON, LogFormat.CONSOLE):
        return wanted
    asked = wanted is LogFormat.JOURNAL or goes_to_journal(descriptor, environment)
    if asked and os.path.exists(journal):
        return LogFormat.JOURNAL
    return LogFormat.CONSOLE if os.isatty(descriptor) else LogFormat.JSON


def _renderer(chosen: LogFormat, descriptor: int) -> Processor:
    if chosen is LogFormat.JOURNAL:
        return lambda _logger, _method, event: _JOURNAL.entry(event)
    if chosen is LogFormat.CONSOLE:
        return structlog.dev.ConsoleRenderer(
            colors=os.isatty(descriptor),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.processors.JSONRenderer(serializer=_json)


class _Lines:
    """Writes an event, whatever its level."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def msg(self, line: str | bytes) -> None:
        self._sink.write(_bytes(line))

    debug = info = warning = error = critical = msg


def _bytes(rendered: object) -> bytes:
    """A line with its end; an entry as it is."""
    if isinstance(rendered, bytes):
        return rendered
    return f"{rendered}\n".encode(errors="replace")


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
