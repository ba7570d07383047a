"""edge. Logging: one line for every end, with one outcome word. No tags, no full addresses.

The broker's records are many, so they do without structlog: a batch of them is encoded in one go
and written at once. What little else an operator reads goes through structlog.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from relay.config import Log
from relay.records import Record

Reporter = Callable[[Sequence[Record]], None]

_LEVELS: Final = {name.lower(): x for name, x in logging.getLevelNamesMapping().items()}


def configure(log: Log) -> None:
    """JSON lines, or lines for people, on standard error."""
    renderer: structlog.typing.Processor
    if _for_people(log):
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_json)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _add_time, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_lowest(log)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def reporter(log: Log) -> Reporter:
    """What logs the broker's records, in the same form."""
    encode = _people_lines if _for_people(log) else msgspec.json.Encoder().encode_lines
    lowest = _lowest(log)
    out = sys.stderr.buffer

    def report(records: Sequence[Record]) -> None:
        now = _now()
        told = [record for record in records if _LEVELS[record.level] >= lowest]
        for record in told:
            record.time = now
        # A full disk or a closed pipe must not end the relay.
        with contextlib.suppress(OSError):
            out.write(encode(told))
            out.flush()

    return report


def _for_people(log: Log) -> bool:
    return log.format == "console" or (log.format == "auto" and sys.stderr.isatty())


def _lowest(log: Log) -> int:
    """The level of what is logged and of nothing below."""
    return _LEVELS[log.level]


def _people_lines(records: Sequence[Record]) -> bytes:
    render = structlog.dev.ConsoleRenderer()
    lines = [str(render(None, "", msgspec.to_builtins(record))) for record in records]
    return "".join(f"{line}\n" for line in lines).encode()


def _add_time(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["time"] = _now()
    return event


def _now() -> float:
    """Unix seconds, in microseconds' steps."""
    return int(time.time() * 1e6) / 1e6


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event).decode()
