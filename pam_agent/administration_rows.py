"""shell. Rows of what administrators say, and of the audit log. Runs inside a transaction."""

from collections.abc import Iterator

from pam_agent.audit_log import MAX_AUDIT, AuditEntry, AuditKind
from pam_agent.break_glass import BreakGlass
from pam_agent.methods import Method
from pam_agent.notices import MAX_NOTICES, Notice
from pam_agent.store import Transaction
from pam_agent.wire_values import ANY_SERVICE


def read_alias(tx: Transaction, name: str) -> str | None:
    """The account behind another name."""
    row = tx.db.execute("SELECT account FROM alias WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def read_methods(tx: Transaction, account: str, service: str) -> frozenset[Method] | None:
    """The service's own, else those of every service, else None."""
    row = tx.db.execute(
        "SELECT methods FROM method WHERE account = ? AND service IN (?, ?)"
        " ORDER BY service = ? LIMIT 1",
        (account, service, ANY_SERVICE, ANY_SERVICE),
    ).fetchone()
    return None if row is None else decode_methods(row[0])


def decode_methods(text: str) -> frozenset[Method]:
    """Those of a column: words with spaces between."""
    return frozenset(Method(word) for word in text.split())


def encode_methods(methods: frozenset[Method]) -> str:
    return " ".join(method for method in Method if method in methods)


def read_break_glass(tx: Transaction, account: str) -> BreakGlass | None:
    """Whether or not it still holds."""
    row = tx.db.execute(
        "SELECT account, opened, until, reason, by_uid FROM breakglass WHERE account = ?",
        (account,),
    ).fetchone()
    return None if row is None else BreakGlass(*row)


def read_notices(tx: Transaction, device_id: int) -> tuple[Notice, ...]:
    """The oldest first."""
    rows = tx.db.execute(
        "SELECT id, at, text FROM notice WHERE device = ? ORDER BY id", (device_id,)
    )
    return tuple(Notice(*row) for row in rows)


def write_notice(tx: Transaction, account: str, at: int, text: str) -> None:
    """For each proved device of `account`, its MAX_NOTICES newest."""
    tx.db.execute(
        "INSERT INTO notice (device, at, text)"
        " SELECT id, ?, ? FROM device WHERE account = ? AND proved = 1",
        (at, text, account),
    )
    tx.db.execute(
        "DELETE FROM notice WHERE (SELECT count(*) FROM notice AS newer"
        " WHERE newer.device = notice.device AND newer.id >= notice.id) > ?",
        (MAX_NOTICES,),
    )


def delete_notices(tx: Transaction, device_id: int, shown: tuple[Notice, ...]) -> None:
    """Those that the device has shown; what came meanwhile stays."""
    tx.db.executemany(
        "DELETE FROM notice WHERE device = ? AND id = ?", [(device_id, each.id) for each in shown]
    )


def write_audit(tx: Transaction, entry: AuditEntry) -> None:
    """The oldest over MAX_AUDIT go."""
    tx.db.execute(
        "INSERT INTO audit"
        " (at, kind, account, service, remote, outcome, device, detail, handshake)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.at,
            entry.kind,
            entry.account,
            entry.service,
            entry.remote,
            entry.outcome,
            entry.device,
            entry.detail,
            entry.handshake,
        ),
    )
    tx.db.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", (MAX_AUDIT,))


def read_audit(
    tx: Transaction, since: int, after: int, most: int
) -> Iterator[tuple[int, AuditEntry]]:
    """At most `most` entries from `since` (Unix seconds) on, behind number `after`, the oldest
    first, each with its number."""
    rows = tx.db.execute(
        "SELECT id, at, kind, account, outcome, service, remote, device, detail, handshake"
        " FROM audit WHERE at >= ? AND id > ? ORDER BY id LIMIT ?",
        (since, after, most),
    )
    for number, at, kind, *rest in rows:
        yield number, AuditEntry(at, AuditKind(kind), *rest)
