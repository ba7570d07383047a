"""edge. Logging: one line for every end, with one outcome word. No tags, no full addresses."""

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
from relay.records import LinkEnded, LinkUp, Record, RequestEnded, ValidatorEnded

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
        for record in records:
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
                    log.info("link up", agent=record.agent)
                case LinkEnded():
                    log.info(
                        "link ended",
                        outcome=record.outcome.value,
                        agent=record.agent,
                        lasted=round(record.lasted, 6),
                        requests=record.requests,
                    )

    return report


def network_of(source: str) -> str:
    """The /24 or /48 of `host:port`: enough to see a pattern, too little to name a person."""
    host = source.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    length = _PREFIX_IPV4 if address.version == 4 else _PREFIX_IPV6  # noqa: PLR2004
    return str(ipaddress.ip_network((address, length), strict=False))


def _add_time(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Unix seconds, in microseconds' steps."""
    event["time"] = round(time.time(), 6)
    return event


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event).decode()
