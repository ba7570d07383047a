"""edge. A daemon's log: an event is a line of JSON, a line for people, or an entry of the journal.

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

from daemons.journal import ADDRESS, JournalForm
from daemons.log_settings import Log, LogFormat, LogLevel
from daemons.log_sinks import STANDARD_ERROR, JournalSink, Sink, StreamSink, goes_to_journal
from daemons.troubles import Troubles
from protocol.text import clean

_LEVELS: Final = logging.getLevelNamesMapping()


class Book:
    """The log of this process, once it is configured.

    `form` is how events look: not AUTO, but what that came to. `entry_form` is for the journal.
    """

    def __init__(self, form: LogFormat, entry_form: JournalForm, descriptor: int, to: str) -> None:
        """`descriptor` takes lines; `to` is the path of the journal's socket."""
        self.troubles: Final = Troubles()
        self.form: Final = form
        self.entry_form: Final = entry_form
        self.render: Final = _renderer(form, entry_form, descriptor)
        in_journal = form is LogFormat.JOURNAL
        self._sink: Final[Sink] = (
            JournalSink(self._lost, to) if in_journal else StreamSink(descriptor, self._lost)
        )

    @property
    def dropped(self) -> int:
        """How many events were lost, because nobody took them."""
        return self._sink.dropped

    def write(self, data: bytes, count: int = 1) -> None:
        """`count` events that are rendered. Never waits, and raises nothing."""
        self._sink.write(data, count)

    def note(self, event: EventDict) -> None:
        """Remember it if it is a warning, or worse."""
        if event["level"] not in ("debug", "info"):
            self.troubles.note(event["time"], event["level"], event)

    def close(self) -> None:
        self._sink.close()

    def _lost(self, count: int) -> bytes:
        event: EventDict = {"event": "log dropped", "count": count, "level": "warning"}
        return rendered(self.render(None, "", _stamp(None, "", event)))


def configure(
    settings: Log,
    entry_form: JournalForm,
    descriptor: int = STANDARD_ERROR,
    environment: Mapping[str, str] = os.environ,
    journal: str = ADDRESS,
) -> Book:
    """Set structlog up for the whole process. `journal` is the path of its socket."""
    form = _chosen(settings.format, descriptor, environment, journal)
    book = Book(form, entry_form, descriptor, journal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _stamp,
            _clean_texts,
            partial(_remember, book),
            # As Python prints it: prettier ones show local variables, and those hold secrets.
            structlog.processors.format_exc_info,
            book.render,
        ],
        logger_factory=lambda *_names: _Lines(book),
        cache_logger_on_first_use=False,
    )
    set_level(settings.level)
    if settings.format is LogFormat.JOURNAL and form is not LogFormat.JOURNAL:
        structlog.get_logger().warning("no journal", advice="log.format: use auto")
    return book


def set_level(level: LogLevel) -> None:
    """Log nothing below it from now on."""
    lowest = level_number(level)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(lowest))


def level_number(level: str) -> int:
    """The higher, the graver."""
    return _LEVELS[level.upper()]


def rendered(line: object) -> bytes:
    """What a `render` gave, as it is written: a line with its end; an entry as it is."""
    if isinstance(line, bytes):
        return line
    return f"{line}\n".encode(errors="replace")


def now() -> float:
    """Unix seconds with microseconds; nanoseconds would promise what no clock keeps."""
    return time.time_ns() // 1000 / 1_000_000


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


def _renderer(form: LogFormat, entry_form: JournalForm, descriptor: int) -> Processor:
    if form is LogFormat.JOURNAL:
        return lambda _logger, _method, event: entry_form.entry(event)
    if form is LogFormat.CONSOLE:
        return structlog.dev.ConsoleRenderer(
            colors=os.isatty(descriptor),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.processors.JSONRenderer(serializer=_json)


class _Lines:
    """Writes an event, whatever its level."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def msg(self, line: str | bytes) -> None:
        self._book.write(rendered(line))

    debug = info = warning = error = critical = msg


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["time"] = now()
    return event


def _clean_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Names come from strangers: no control character of theirs reaches a terminal or a log."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = clean(value)
    return event


def _remember(book: Book, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    book.note(event)
    return event


def _json(event: EventDict, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
