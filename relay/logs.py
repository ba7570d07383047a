"""edge. The broker's records in the log: one line for every end, with one outcome word. No tags, no
full addresses.

They are many, so they do without structlog: a batch of them is encoded in one go and written at
once. What little else an operator reads goes through structlog, into the same book.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from daemons.journal import BETWEEN_ENTRIES, JournalForm
from daemons.log_settings import LogFormat, LogLevel
from daemons.logs import Book, level_number, now, rendered
from relay.records import Record

Reporter = Callable[[Sequence[Record]], None]

MOST_AT_ONCE: Final = 128
"""Records in one write: as entries of the journal some 80 KiB, and a datagram takes 208 KiB."""


def reporter(book: Book, level: LogLevel) -> Reporter:
    """What logs the broker's records, but those below `level`."""
    encode = _encoder(book)
    lowest = level_number(level)
    graveness = {each.value: level_number(each) for each in LogLevel}

    def report(records: Sequence[Record]) -> None:
        time = now()
        told = [record for record in records if graveness[record.level] >= lowest]
        for record in told:
            record.time = time
            if record.level != "info":
                book.note(msgspec.to_builtins(record))
        for first in range(0, len(told), MOST_AT_ONCE):
            batch = told[first : first + MOST_AT_ONCE]
            book.write(encode(batch), len(batch))

    return report


def _encoder(book: Book) -> Callable[[Sequence[Record]], bytes]:
    if book.form is LogFormat.JSON:
        return msgspec.json.Encoder().encode_lines
    if book.form is LogFormat.JOURNAL:
        return _Entries(book.entry_form).encode

    def encode(records: Sequence[Record]) -> bytes:
        lines = [book.render(None, "", msgspec.to_builtins(record)) for record in records]
        return b"".join(map(rendered, lines))

    return encode


class _Entries:
    """Records as entries of the journal, by a template for each kind: a sixth of the time."""

    def __init__(self, form: JournalForm) -> None:
        self._form = form
        self._templates: dict[tuple[str, str], str] = {}

    def encode(self, records: Sequence[Record]) -> bytes:
        return BETWEEN_ENTRIES.join([self._entry(record) for record in records])

    def _entry(self, record: Record) -> bytes:
        event: dict[str, object] = msgspec.to_builtins(record)
        if "" in event.values():
            return self._form.entry(event)
        kind = (str(event["event"]), record.level)
        template = self._templates.get(kind)
        if template is None:
            template = self._templates[kind] = self._form.template(event)
        return (template % event).encode()
