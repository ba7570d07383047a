"""shell. The store as its users see it: transactions, one at a time, each in a worker thread.

Every write is on the disk before its transaction returns. Every failure of SQLite or of the system
is a StoreError, on which callers fail closed; what was asked has then not been done.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio

from pam_agent.resealing import StoreKeys
from pam_agent.schema import FILE_NAME, explain, open_store
from pam_agent.sealing import Seal, SealBrokenError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Transaction:
    """What a transaction's work gets: rows are read and written by pam_agent.rows and its like."""

    db: sqlite3.Connection
    seal: Seal


class Store:
    """For one task or many: one transaction runs at a time, in the order of calls."""

    def __init__(self, db: sqlite3.Connection, path: Path, seal: Seal) -> None:
        """`open` makes it."""
        self.db = db
        self._path = path
        self._inside = Transaction(db, seal)
        self.sealed = bool(seal)
        """Whether a thief of the file alone has no secret."""
        self._one_at_a_time = trio.CapacityLimiter(1)

    @staticmethod
    @asynccontextmanager
    async def open(state: Path, keys: StoreKeys) -> AsyncIterator["Store"]:
        """The store in the folder `state` (made, 0700, when missing). Raises StoreError."""
        db, seal = await trio.to_thread.run_sync(open_store, state, keys)
        store = Store(db, state / FILE_NAME, seal)
        try:
            yield store
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(db.close, limiter=store._one_at_a_time)

    async def transaction(
        self, work: Callable[[Transaction], _T], *, overwrite: bool = False
    ) -> _T:
        """What `work` returns, once it is durable. Not interrupted by cancellation when begun.

        `overwrite`: what it deleted is to be found in no file any more.
        """
        return await trio.to_thread.run_sync(
            self._run, work, overwrite, limiter=self._one_at_a_time
        )

    def _run(self, work: Callable[[Transaction], _T], overwrite: bool) -> _T:
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._inside)
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, SealBrokenError) as error:
            raise explain(self._path, error) from error
        if overwrite:
            # The write-ahead log still has the old pages: move it into the file, and empty it. When
            # that fails the work is done nevertheless, and a later checkpoint does it.
            with contextlib.suppress(sqlite3.Error):
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return result
