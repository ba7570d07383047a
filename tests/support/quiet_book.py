"""A daemon's log that is written nowhere."""

import os

from daemons.log_settings import LogFormat
from daemons.logs import Book
from relay.message_ids import JOURNAL_FORM


def a_book() -> Book:
    """Of a log that nobody is there to take."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return Book(LogFormat.JSON, JOURNAL_FORM, writing, "")
    finally:
        os.close(writing)
