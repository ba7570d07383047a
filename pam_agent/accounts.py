"""shell. The agent's accounts and devices: each method is one transaction in a worker thread.

Every write is on the disk before its method returns. Every failure of SQLite or of the system is
a StoreError, on which callers fail closed; what was asked has then not been done.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent import device_state
from pam_agent.policy import UNPROVED_SECONDS
from pam_agent.records import AccountStanding, AgentIdentity, Decided, Device
from pam_agent.rows import (
    read_device,
    read_devices,
    read_figures,
    read_standing,
    write_device,
    write_ratchet,
    write_standing,
)
from pam_agent.schema import FILE_NAME, StoreError, explain, open_store
from pam_agent.store_figures import StoreFigures
from protocol.limits import MAX_TAGS
from protocol.ratchet import Generation, Ratchet

_T = TypeVar("_T")


class TooManyDevicesError(Exception):
    """The account has MAX_TAGS devices; one must be revoked before another is enrolled."""


class DeviceGoneError(StoreError):
    """The device was revoked while something was going on with it."""


class Accounts:
    """The store, for one task or many: one transaction runs at a time, in the order of calls.

    Times passed in are Unix seconds.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        """`open` makes it."""
        self._db = db
        self._path = path
        self._one_at_a_time = trio.CapacityLimiter(1)

    @staticmethod
    @asynccontextmanager
    async def open(state: Path, now: float) -> AsyncIterator["Accounts"]:
        """The store in the folder `state` (made, 0700, when missing). Raises StoreError."""
        db = await trio.to_thread.run_sync(open_store, state)
        accounts = Accounts(db, state / FILE_NAME)
        try:
            await accounts._transaction(lambda db: _remove_unproved(db, now))
            yield accounts
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(db.close, limiter=accounts._one_at_a_time)

    async def identity(self) -> AgentIdentity:
        """The agent's own keys, drawn when the store was made."""

        def work(db: sqlite3.Connection) -> AgentIdentity:
            row = db.execute("SELECT static, link, shard FROM identity").fetchone()
            return AgentIdentity(
                X25519PrivateKey.from_private_bytes(row["static"]),
                X25519PrivateKey.from_private_bytes(row["link"]),
                row["shard"],
            )

        return await self._transaction(work)

    async def devices(self, account: str) -> tuple[Device, ...]:
        """The proved devices of `account`, disabled ones too, the oldest first; at most MAX_TAGS.

        None for an account that is unknown; policy.asked says which ones a sign-on asks. For each
        H1 `device` is to be read again: another sign-on may have moved its ratchet meanwhile.
        """
        return await self._transaction(
            lambda db: read_devices(db, "WHERE account = ? AND proved = 1", account)
        )

    async def device(self, device_id: int) -> Device:
        """One device as it stands now, proved or not. Raises DeviceGoneError."""
        return await self._transaction(lambda db: _present(db, device_id))

    async def account_standing(self, account: str) -> AccountStanding:
        """All zeros for an account that is unknown."""
        return await self._transaction(lambda db: read_standing(db, account))

    async def count_failure(self, device_id: int, now: float) -> Device:
        """Count an H1 that a holder of K_rv could not activate. The device as it then stands.

        Raises DeviceGoneError.
        """

        def work(db: sqlite3.Connection) -> Device:
            device = _present(db, device_id)
            changed = device_state.failed(device, now)
            write_device(db, device, changed)
            return changed

        return await self._transaction(work)

    async def decide(
        self,
        device_id: int,
        base: Generation,
        next_root: bytes,
        *,
        opened: Ratchet,
        success: bool,
        now: float,
    ) -> Decided:
        """Move the ratchet for a verified DECISION under `base`, as it stands in the store now.

        `opened` is the device's ratchet as it was when H1 opened under `base`. `success` is an
        approval in time; it ends the device's failures and is the account's last success.
        """

        def work(db: sqlite3.Connection) -> Decided:
            device = read_device(db, device_id)
            if device is None:
                return Decided.DISABLED
            decided, changed = device_state.decided(
                device, base, next_root, opened=opened, success=success, now=now
            )
            write_device(db, device, changed)
            if decided is Decided.MOVED and device.proved:
                standing = (
                    device_state.succeeded(now)
                    if success
                    else device_state.unsuccessful(read_standing(db, device.account))
                )
                write_standing(db, device.account, standing)
            return decided

        return await self._transaction(work)

    async def confirm(self, device_id: int, successor: Generation) -> None:
        """Move the ratchet for CONFIRM. Nothing to do when the device was revoked meanwhile."""

        def work(db: sqlite3.Connection) -> None:
            device = read_device(db, device_id)
            if device is not None:
                write_device(db, device, device_state.confirmed(device, successor))

        await self._transaction(work)

    async def note_unsuccessful(self, account: str) -> None:
        """One more sign-on without success for the next CONTEXT to tell; unknown accounts: none."""

        def work(db: sqlite3.Connection) -> None:
            standing = device_state.unsuccessful(read_standing(db, account))
            write_standing(db, account, standing)

        await self._transaction(work)

    async def add_device(
        self,
        account: str,
        name: str,
        public: bytes,
        rendezvous_root: bytes,
        ratchet_root: bytes,
        now: float,
    ) -> int:
        """The id of a new device, not proved yet: it is removed after UNPROVED_SECONDS.

        Raises TooManyDevicesError.
        """

        def work(db: sqlite3.Connection) -> int:
            _remove_unproved(db, now)
            _check_room(db, account)
            db.execute("INSERT INTO account (name) VALUES (?) ON CONFLICT DO NOTHING", (account,))
            device_id = db.execute(
                "INSERT INTO device (account, name, public, rendezvous_root, created)"
                " VALUES (?, ?, ?, ?, ?) RETURNING id",
                (account, name, public, rendezvous_root, int(now)),
            ).fetchone()[0]
            write_ratchet(db, device_id, Ratchet(Generation(0, ratchet_root)))
            return int(device_id)

        return await self._transaction(work)

    async def prove(self, device_id: int, now: float) -> None:
        """The device has shown that it holds its key: from now on it can sign on.

        Raises DeviceGoneError (too late, too), or TooManyDevicesError when others were quicker.
        """

        def work(db: sqlite3.Connection) -> None:
            _remove_unproved(db, now)
            device = _present(db, device_id)
            _check_room(db, device.account)
            write_device(db, device, replace(device, proved=True))

        await self._transaction(work)

    async def list_devices(self) -> tuple[Device, ...]:
        """Every device of every account, those not proved yet too, by account and age."""
        return await self._transaction(lambda db: read_devices(db, "", order="account, id"))

    async def figures(self) -> StoreFigures:
        """How much there is."""
        return await self._transaction(read_figures)

    async def revoke(self, account: str, device_id: int | None) -> tuple[Device, ...]:
        """Remove one device of `account`, or all (None). What was removed, which may be nothing.

        The secrets are overwritten in the file. A sign-on that is going on with the device cannot
        succeed any more: `decide` says so.
        """

        def work(db: sqlite3.Connection) -> tuple[Device, ...]:
            chosen = read_devices(
                db, "WHERE account = ? AND id = coalesce(?, id)", account, device_id
            )
            db.executemany("DELETE FROM device WHERE id = ?", [(each.id,) for each in chosen])
            _remove_empty_accounts(db)
            return chosen

        def work_and_overwrite() -> tuple[Device, ...]:
            chosen = self._in_transaction(work)
            # The write-ahead log still has the old pages: move it into the file, and empty it. When
            # that fails the device is gone nevertheless, and a later checkpoint does it.
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return chosen

        return await trio.to_thread.run_sync(work_and_overwrite, limiter=self._one_at_a_time)

    async def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """What `work` returns, once it is durable. Not interrupted by cancellation when begun."""
        return await trio.to_thread.run_sync(
            self._in_transaction, work, limiter=self._one_at_a_time
        )

    def _in_transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise explain(self._path, error) from error
        return result


def _present(db: sqlite3.Connection, device_id: int) -> Device:
    device = read_device(db, device_id)
    if device is None:
        raise DeviceGoneError(f"device {device_id} was revoked meanwhile")
    return device


def _check_room(db: sqlite3.Connection, account: str) -> None:
    count = db.execute(
        "SELECT count(*) FROM device WHERE account = ? AND proved = 1", (account,)
    ).fetchone()[0]
    if count >= MAX_TAGS:
        raise TooManyDevicesError(f"{account} has {count} devices already")


def _remove_unproved(db: sqlite3.Connection, now: float) -> None:
    db.execute("DELETE FROM device WHERE proved = 0 AND created < ?", (now - UNPROVED_SECONDS,))
    _remove_empty_accounts(db)


def _remove_empty_accounts(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM account WHERE name NOT IN (SELECT account FROM device)")
