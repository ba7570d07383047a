"""pure. An event of the log as an entry of systemd's journal, in its native protocol.

systemd.io/JOURNAL_NATIVE_PROTOCOL: a datagram of `NAME=value` lines; a value with a line break in
it goes as `NAME`, a line break, its length in 8 bytes (little-endian), itself and a line break.
Several entries in one datagram have an empty line between them, as in the journal's export format:
journald has read them so ever since, and a daemon that has many at once saves system calls.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

ADDRESS: Final = "/run/systemd/journal/socket"

PREFIX: Final = "BARTIZAN_"
"""Of our own fields: sign_on_id is BARTIZAN_SIGN_ON_ID, for `journalctl BARTIZAN_SIGN_ON_ID=...`"""

MAX_NAME: Final = 64
"""Characters of a field's name: the journal drops fields with longer ones."""

BETWEEN_ENTRIES: Final = b"\n"

_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog(3)'s numbers."""


@dataclass(frozen=True)
class JournalForm:
    """How one program's events become entries.

    `message_ids` has 32 hexadecimal digits for each event that the program has, by which an
    administrator finds all events of a kind whatever their words are.
    """

    identifier: str
    message_ids: Mapping[str, str]

    def entry(self, event: Mapping[str, object]) -> bytes:
        """`event` has its name under `event`, its level under `level`, and fields of its own."""
        return b"".join(_field(name, value) for name, value in self._fields(event))

    def template(self, event: Mapping[str, object]) -> str:
        """The entry of events that have these keys, name and level, to be filled in by `%` with
        another such event: for events that are many. Its values must be numbers, and texts that are
        neither empty nor of several lines."""
        fixed = {key: event[key] for key in ("event", "level")}
        blank = {key: fixed.get(key, f"%({key})s") for key in event}
        return "".join(f"{name}={value}\n" for name, value in self._fields(blank))

    def _fields(self, event: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        name = str(event["event"])
        own = {key: _text(value) for key, value in event.items() if key not in ("event", "time")}
        level = own.pop("level")
        exception = own.pop("exception", "")
        said = ", ".join(f"{key} {value}" for key, value in own.items() if value)
        yield "MESSAGE", "".join([name, f": {said}" if said else "", *_after(exception)])
        yield "PRIORITY", str(_PRIORITIES[level])
        yield "SYSLOG_IDENTIFIER", self.identifier
        if name in self.message_ids:
            yield "MESSAGE_ID", self.message_ids[name]
        yield f"{PREFIX}EVENT", name
        for key, value in own.items():
            yield _name(key), value


def _after(exception: str) -> list[str]:
    return [f"\n{exception}"] if exception else []


def _text(value: object) -> str:
    """Texts as they are, nothing as nothing, all else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def _name(key: str) -> str:
    """`key` as the journal takes it: capital letters, digits and underscores."""
    capital = "".join(c if c.isascii() and c.isalnum() else "_" for c in key).upper()
    return (PREFIX + capital)[:MAX_NAME]


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


def is_journal(journal_stream: str, device: int, inode: int) -> bool:
    """Whether a descriptor with these numbers is the one that $JOURNAL_STREAM says is the
    journal's."""
    return journal_stream == f"{device}:{inode}"
