"""shell. What becomes of a store's seal when it is opened: it stays, or every secret gets another.

Runs inside the transaction in which the file is opened: after a crash all secrets are under one
key, or none is under any.
"""

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from pam_agent.sealing import Seal, SealBrokenError
from protocol.limits import KEY_LENGTH

_SECRETS: Final = (
    ("identity", "static", ("id",)),
    ("identity", "link", ("id",)),
    ("device", "rendezvous_root", ("id",)),
    ("generation", "root", ("device", "place", "number")),
    ("totp", "secret", ("account",)),
)
"""Every secret: its table, its column, and the columns that name its row when it is sealed."""

_PROOF: Final[tuple[str, str, int]] = ("sealing", "proof", 1)


class WrongKeyError(Exception):
    """The store is sealed, and none of the keys is its own; the message says what to do."""


@dataclass(frozen=True)
class StoreKeys:
    """32 bytes each. With `old` alone a store is unsealed; with both it goes from one to the
    other."""

    current: bytes | None = field(default=None, repr=False)
    old: bytes | None = field(default=None, repr=False)


def resealed(db: sqlite3.Connection, keys: StoreKeys) -> Seal:
    """The seal from now on. Raises WrongKeyError, and SealBrokenError for a value that its own key
    does not open."""
    proof = db.execute("SELECT proof FROM sealing").fetchone()
    if proof is None:
        _check_unsealed(db)
        before, is_current = Seal(), keys.current is None
    else:
        before, is_current = _opening(proof[0], keys)
    if is_current:
        return before
    after = Seal(keys.current)
    for table, column, row in _SECRETS:
        _reseal(db, table, column, row, before, after)
    db.execute("DELETE FROM sealing")
    if after:
        db.execute("INSERT INTO sealing (id, proof) VALUES (1, ?)", (after.seal(b"", *_PROOF),))
    return after


def overwrite(db: sqlite3.Connection) -> None:
    """After a sealing: no page of before is left, neither in the file nor in the write-ahead log.

    Runs outside a transaction. What a crash interrupts the next start does.
    """
    if db.execute("SELECT count(*) FROM sealing WHERE overwritten = 0").fetchone()[0]:
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        db.execute("UPDATE sealing SET overwritten = 1")


def _check_unsealed(db: sqlite3.Connection) -> None:
    """Somebody could have taken the proof away."""
    if db.execute(
        "SELECT count(*) FROM identity WHERE length(static) <> ?", (KEY_LENGTH,)
    ).fetchone()[0]:
        raise SealBrokenError(f"{_PROOF[0]}/{_PROOF[1]}")


def _opening(proof: bytes, keys: StoreKeys) -> tuple[Seal, bool]:
    """The seal that opens `proof`, and whether it is the current key's."""
    for key in (keys.current, keys.old):
        if key is None:
            continue
        seal = Seal(key)
        try:
            seal.unseal(proof, *_PROOF)
        except SealBrokenError:
            continue
        return seal, key is keys.current
    if keys.current is None and keys.old is None:
        raise WrongKeyError(
            "its secrets are sealed, and there is no key: is the credential bartizan-store.key"
            " there, and was the agent started by the service manager?"
        )
    raise WrongKeyError(
        "its secrets are sealed under another key: put the one it was sealed under back as the"
        " credential bartizan-store.key, or bartizan-store.old-key to change it"
    )


def _reseal(
    db: sqlite3.Connection, table: str, column: str, row: tuple[str, ...], before: Seal, after: Seal
) -> None:
    names = ", ".join(row)
    where = " AND ".join(f"{name} = ?" for name in row)
    found = db.execute(f"SELECT {column}, {names} FROM {table}").fetchall()  # noqa: S608
    for value, *place in found:
        secret = before.unseal(value, table, column, *place)
        db.execute(
            f"UPDATE {table} SET {column} = ? WHERE {where}",  # noqa: S608
            (after.seal(secret, table, column, *place), *place),
        )
