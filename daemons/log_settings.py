"""pure. What an operator may choose of a log, the same for each daemon."""

from enum import StrEnum

from msgspec import Struct


class LogFormat(StrEnum):
    """How an event of the log looks."""

    AUTO = "auto"
    JOURNAL = "journal"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, and how it looks."""

    format: LogFormat = LogFormat.AUTO
    """`auto`: as it suits where standard error goes: entries with fields of their own where the
    journal reads it, lines for people on a terminal, else lines of JSON."""

    level: LogLevel = LogLevel.INFO
    """The least that is logged."""
