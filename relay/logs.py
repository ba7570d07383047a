"""edge. Logging: one line for every end, with one outcome word. No tags, no full addresses."""

import contextlib
import ipaddress
import logging
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from protocol.sign_on_id import display
from relay.config import Log
from relay.records import LinkEnded, LinkUp, NoDescriptor, Record, RequestEnded, ValidatorEnded

Reporter = Callable[[list[Record]], None]

_LEVELS: Final = logging.getLevelNamesMapping()
_PREFIX_IPV4: Final = 24
_PREFIX_IPV6: Final = 48


def configure(log: Log) -> None:
    """JSON lines, or lines for people, on standard error."""
    console = log.format == "console" or (log.format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_json)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _add_time, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[log.level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def reporter() -> Reporter:
    """What logs the broker's records."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    def report(records: list[Record]) -> None:
        # A full disk or a closed pipe must not end the relay.
        with contextlib.suppress(OSError):
            for record in records:
                _report(log, record)

    return report


def _report(log: structlog.typing.FilteringBoundLogger, record: Record) -> None:
    match record:
        case RequestEnded():
            log.info(
                "request ended",
                outcome=record.outcome.value,
                sign_on_id=display(record.sign_on_id),
                agent=record.agent,
                source=network_of(record.source),
                waited=round(record.waited, 6),
                ran=round(record.ran, 6),
                frames_in=record.frames_in,
                frames_out=record.frames_out,
                rejects=record.rejects,
            )
        case ValidatorEnded():
            log.info(
                "validator ended",
                outcome=record.outcome.value,
                source=network_of(record.source),
                lasted=round(record.lasted, 6),
            )
        case LinkUp():
            log.info("link up", source=network_of(record.source), agent=record.agent)
        case LinkEnded():
            log.info(
                "link ended",
                outcome=record.outcome.value,
                source=network_of(record.source),
                agent=record.agent,
                lasted=round(record.lasted, 6),
                requests=record.requests,
            )
        case NoDescriptor():
            log.warning(
                "no descriptor left",
                connections=record.connections,
                advice="raise the limit of open files (LimitNOFILE=), or lower [limits]",
            )


def network_of(source: str) -> str:
    """The /24 or /48 of `host:port`: enough to see a pattern, too little to name a person.

    What is no address (`uid:0`, nothing) stays as it is.
    """
    host, _, _port = source.rpartition(":")
    if host.startswith("["):
        address = ipaddress.IPv6Address(host[1:-1].partition("%")[0])
        return str(ipaddress.IPv6Network((address, _PREFIX_IPV6), strict=False))
    most, dot, _ = host.rpartition(".")
    return f"{most}.0/{_PREFIX_IPV4}" if dot else source


def _add_time(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Unix seconds, in microseconds' steps."""
    event["time"] = round(time.time(), 6)
    return event


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event).decode()
