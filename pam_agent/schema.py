"""shell. The agent's one file, agent.db: where it lies, who may read it, and its opening.

SQLite with a write-ahead log and synchronous=EXTRA: a commit returns after fsync(2), of the folder
too when it is new. The file is locked for as long as it is open, so that two agents cannot move one
ratchet.
"""

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from pam_agent import tables
from pam_agent.resealing import StoreKeys, WrongKeyError, overwrite, resealed
from pam_agent.sealing import Seal, SealBrokenError
from pam_agent.tables import APPLICATION_ID, SCHEMA_VERSION

FILE_NAME: Final = "agent.db"

_NO_KEYS: Final = StoreKeys()

_ADVICE: Final = {
    "SQLITE_FULL": "the disk is full: free space on it",
    "SQLITE_BUSY": "another process has it open: is a second agent running?",
    "SQLITE_CORRUPT": "it is damaged: restore the disk's health, move it away, enrol anew",
    "SQLITE_NOTADB": "it is damaged or no database: move it away, enrol anew",
    "SQLITE_CANTOPEN": "it cannot be opened: look at the folder and its permissions",
    "SQLITE_READONLY": "it cannot be written: look at the folder and how it is mounted",
    "SQLITE_PERM": "it cannot be written: look at the folder and its permissions",
    "SQLITE_IOERR": "reading or writing failed: look at the disk and the kernel's log",
}
"""What an operator can do, by SQLite's primary result code."""


class StoreError(Exception):
    """The store cannot do what was asked; whoever relies on it must deny.

    The message is for the operator: which file, what is wrong, what to do. Never a secret.
    """


def explain(path: Path, error: Exception) -> StoreError:
    """The StoreError for what SQLite or the system said about `path`."""
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror or 'input/output failed'}")
    if isinstance(error, WrongKeyError):
        return StoreError(f"{path}: {error}")
    if isinstance(error, SealBrokenError):
        return StoreError(
            f"{path}: {error} does not open: somebody changed the file, or it is damaged: move it"
            " away, enrol anew"
        )
    code = str(getattr(error, "sqlite_errorname", type(error).__name__))
    primary = "_".join(code.split("_")[:2])
    return StoreError(f"{path}: {_ADVICE.get(primary, 'the database refused')} ({code})")


def open_store(state: Path, keys: StoreKeys = _NO_KEYS) -> tuple[sqlite3.Connection, Seal]:
    """Open `state`/agent.db, make it when it is missing, check it, and seal it under the keys.

    Raises StoreError.
    """
    path = state / FILE_NAME
    try:
        _private_folder(state)
        _private_file(path)
    except OSError as error:
        raise explain(Path(error.filename or state), error) from error
    try:
        # Autocommit as far as Python is concerned: every transaction is begun in words.
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
    except sqlite3.Error as error:
        raise explain(path, error) from error
    try:
        seal = _prepare(db, path, keys)
    except (sqlite3.Error, SealBrokenError, WrongKeyError) as error:
        db.close()
        raise explain(path, error) from error
    except BaseException:
        db.close()
        raise
    return db, seal


def _private_folder(state: Path) -> None:
    try:
        state.mkdir(mode=0o700)
        _sync(state.parent)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise StoreError(f"{state.parent}: no such folder: make it, or set `state`") from None
    status = state.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{state}: not a folder: set `state` to the agent's own folder")
    _check_private(state, status, 0o700)


def _private_file(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        _sync(path.parent)
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path}: not a regular file: move it away")
    _check_private(path, status, 0o600)


def _sync(folder: Path) -> None:
    """Make a new name in `folder` last: a commit inside a file without a name is lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_private(path: Path, status: os.stat_result, mode: int) -> None:
    """Secrets that others could read or had in their hands are not used."""
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"{path}: belongs to uid {status.st_uid}, the agent runs as uid {os.geteuid()}:"
            " run it as that user, or chown what is in the folder"
        )
    if status.st_mode & 0o077:
        raise StoreError(
            f"{path}: others may use it (mode {stat.S_IMODE(status.st_mode):04o}):"
            f" chmod {mode:04o} {path}, and enrol anew if somebody could have read it"
        )


def _prepare(db: sqlite3.Connection, path: Path, keys: StoreKeys) -> Seal:
    # Before the first access: with it, the write-ahead log needs no shared memory.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = EXTRA")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise StoreError(f"{path}: {_ADVICE['SQLITE_CORRUPT']} (quick_check)")
    version = _number(db, "user_version")
    application = _number(db, "application_id")
    if application == 0 and _number(db, "schema_version") == 0:
        tables.create(db)
    elif application != APPLICATION_ID or version < 1:
        raise StoreError(f"{path}: another program's database: set `state` to the agent's folder")
    elif version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: of a newer agent (schema {version}, this one knows {SCHEMA_VERSION}):"
            " install that agent again"
        )
    else:
        tables.migrate(db, version)
    seal = resealed(db, keys)
    db.execute("COMMIT")
    overwrite(db)
    return seal


def _number(db: sqlite3.Connection, pragma: str) -> int:
    value = db.execute(f"PRAGMA {pragma}").fetchone()[0]
    return int(value)
