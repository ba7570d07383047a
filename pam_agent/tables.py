"""shell. What is in agent.db: the tables, and how a file of an older version becomes one of this.

Runs inside the transaction in which the file is opened: after a crash it is the old version's or
the new one's, whole.
"""

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.policy import DISABLING_FAILURE, MAX_FAILURES_SINCE
from pam_agent.records import DisabledReason
from pam_agent.sealing import OVERHEAD
from protocol.limits import KEY_LENGTH, RETIRED_GENERATIONS

SCHEMA_VERSION: Final = 2
"""PRAGMA user_version. A newer one is refused: an older program would lose what it cannot see."""
APPLICATION_ID: Final = int.from_bytes(b"BTZN", "big")
"""PRAGMA application_id, by which another program's file is recognised."""

CURRENT: Final = 0
PENDING: Final = -1
"""A generation's place: the pending one, the current one, then the retired ones from 1."""

TOTP_SECRET_LENGTH: Final = 20
"""Bytes of a TOTP secret: SHA-1's length, as RFC 4226 recommends (section 4, R6)."""

_REASONS: Final = ", ".join(f"'{reason}'" for reason in DisabledReason)
_KEY: Final = f"IN ({KEY_LENGTH}, {KEY_LENGTH + OVERHEAD})"
_TOTP: Final = f"IN ({TOTP_SECRET_LENGTH}, {TOTP_SECRET_LENGTH + OVERHEAD})"
"""Lengths of secrets, as they are and sealed."""

_SCHEMA: Final = f"""
CREATE TABLE identity (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    static BLOB NOT NULL CHECK (length(static) {_KEY}),
    link BLOB NOT NULL CHECK (length(link) {_KEY}),
    shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 255)
) STRICT;
-- One row when the secrets are sealed: nothing at all, sealed, by which the key is recognised, and
-- whether what was there before is in no page of the file any more.
CREATE TABLE sealing (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    proof BLOB NOT NULL CHECK (length(proof) = {OVERHEAD}),
    overwritten INTEGER NOT NULL DEFAULT 0 CHECK (overwritten IN (0, 1))
) STRICT;
CREATE TABLE account (
    name TEXT PRIMARY KEY,
    last_success INTEGER NOT NULL DEFAULT 0,
    failures_since INTEGER NOT NULL DEFAULT 0
        CHECK (failures_since BETWEEN 0 AND {MAX_FAILURES_SINCE})
) STRICT, WITHOUT ROWID;
-- AUTOINCREMENT: an id is never used again, so what is late for a revoked device hits no other.
CREATE TABLE device (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES account (name),
    name TEXT NOT NULL,
    public BLOB NOT NULL CHECK (length(public) = {KEY_LENGTH}),
    rendezvous_root BLOB NOT NULL CHECK (length(rendezvous_root) {_KEY}),
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures BETWEEN 0 AND {DISABLING_FAILURE}),
    backoff_until REAL NOT NULL DEFAULT 0,
    disabled TEXT CHECK (disabled IN ({_REASONS})),
    proved INTEGER NOT NULL DEFAULT 0 CHECK (proved IN (0, 1)),
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL DEFAULT 0,
    ticket_counter INTEGER NOT NULL DEFAULT 0 CHECK (ticket_counter BETWEEN 0 AND {2**32})
) STRICT;
CREATE INDEX device_account ON device (account);
CREATE TABLE generation (
    device INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    place INTEGER NOT NULL CHECK (place BETWEEN {PENDING} AND {RETIRED_GENERATIONS}),
    number INTEGER NOT NULL CHECK (number >= 0),
    root BLOB NOT NULL CHECK (length(root) {_KEY}),
    PRIMARY KEY (device, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE totp (
    account TEXT PRIMARY KEY REFERENCES account (name),
    secret BLOB NOT NULL CHECK (length(secret) {_TOTP}),
    last_step INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    backoff_until REAL NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- What the administrator says of a name stays when its last device goes: no references.
CREATE TABLE alias (
    name TEXT PRIMARY KEY,
    account TEXT NOT NULL CHECK (account <> name)
) STRICT, WITHOUT ROWID;
CREATE TABLE method (
    account TEXT NOT NULL,
    service TEXT NOT NULL,
    methods TEXT NOT NULL CHECK (methods <> ''),
    PRIMARY KEY (account, service)
) STRICT, WITHOUT ROWID;
CREATE TABLE breakglass (
    account TEXT PRIMARY KEY,
    opened INTEGER NOT NULL,
    until INTEGER NOT NULL CHECK (until > opened),
    reason TEXT NOT NULL,
    by_uid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE notice (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX notice_device ON notice (device);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    service TEXT NOT NULL,
    remote TEXT NOT NULL,
    outcome TEXT NOT NULL,
    device INTEGER,
    detail TEXT NOT NULL,
    handshake BLOB NOT NULL
) STRICT;
"""

_FROM_1_BEFORE: Final = """
DROP INDEX device_account;
ALTER TABLE generation RENAME TO old_generation;
ALTER TABLE device RENAME TO old_device;
ALTER TABLE account RENAME TO old_account;
ALTER TABLE identity RENAME TO old_identity;
"""
_FROM_1_AFTER: Final = """
INSERT INTO identity SELECT id, static, link, shard FROM old_identity;
INSERT INTO account SELECT name, last_success, failures_since FROM old_account;
INSERT INTO device SELECT id, account, name, public, rendezvous_root, failures, backoff_until,
    disabled, proved, created, last_used, 0 FROM old_device;
INSERT INTO generation SELECT device, place, number, root FROM old_generation;
DELETE FROM sqlite_sequence WHERE name = 'device';
UPDATE sqlite_sequence SET name = 'device' WHERE name = 'old_device';
DROP TABLE old_generation;
DROP TABLE old_device;
DROP TABLE old_account;
DROP TABLE old_identity;
"""


def create(db: sqlite3.Connection) -> None:
    """Every table, and the agent's own keys."""
    _run(db, _SCHEMA)
    db.execute(
        "INSERT INTO identity (id, static, link, shard) VALUES (1, ?, ?, ?)",
        (
            X25519PrivateKey.generate().private_bytes_raw(),
            X25519PrivateKey.generate().private_bytes_raw(),
            secrets.randbelow(256),
        ),
    )
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Step by step from `version` to SCHEMA_VERSION; nothing when it is that."""
    for step in range(version, SCHEMA_VERSION):
        _STEPS[step](db)
        db.execute(f"PRAGMA user_version = {step + 1}")


def _from_1(db: sqlite3.Connection) -> None:
    """New tables around the old rows: SQLite cannot change a CHECK in place."""
    _run(db, _FROM_1_BEFORE)
    _run(db, _SCHEMA)
    _run(db, _FROM_1_AFTER)


_STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {1: _from_1}


def _run(db: sqlite3.Connection, statements: str) -> None:
    # Not executescript, which would commit first.
    for statement in statements.strip().split(";\n"):
        db.execute(statement)
