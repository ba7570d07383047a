"""shell. The agent's accounts and devices: each method is one transaction in a worker thread.

Every write is on the disk before its method returns. Every failure of SQLite or of the system is
a StoreError, on which callers fail closed; what was asked has then not been done.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.policy import (
    DISABLING_FAILURE,
    MAX_FAILURES_SINCE,
    UNPROVED_SECONDS,
    backoff_seconds,
    disabled_by,
)
from pam_agent.records import (
    AccountStanding,
    AgentIdentity,
    Decided,
    Device,
    DisabledReason,
)
from pam_agent.schema import CURRENT, FILE_NAME, PENDING, StoreError, explain, open_store
from protocol.limits import MAX_TAGS
from protocol.ratchet import Generation, Ratchet

_T = TypeVar("_T")

_DEVICE: Final = (
    "SELECT id, account, name, public, rendezvous_root, failures, backoff_until, disabled,"
    " proved, created, last_used FROM device"
)


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

        None for an account that is unknown. policy.asked says which ones a sign-on asks. For each H1
        the `device` is to be read again: another sign-on may have moved its ratchet meanwhile.
        """
        return await self._transaction(
            lambda db: _devices(db, "WHERE account = ? AND proved = 1", account)
        )

    async def device(self, device_id: int) -> Device:
        """One device as it stands now, proved or not. Raises DeviceGoneError."""
        return await self._transaction(lambda db: _device(db, device_id))

    async def account_standing(self, account: str) -> AccountStanding:
        """All zeros for an account that is unknown."""

        def work(db: sqlite3.Connection) -> AccountStanding:
            row = db.execute(
                "SELECT last_success, failures_since FROM account WHERE name = ?", (account,)
            ).fetchone()
            return AccountStanding() if row is None else AccountStanding(*row)

        return await self._transaction(work)

    async def count_failure(self, device_id: int, now: float) -> Device:
        """Count an H1 that a holder of K_rv could not activate. The device as it then stands.

        Raises DeviceGoneError.
        """

        def work(db: sqlite3.Connection) -> Device:
            failures = min(_device(db, device_id).failures + 1, DISABLING_FAILURE)
            db.execute(
                "UPDATE device SET failures = ?, backoff_until = ?,"
                " disabled = coalesce(disabled, ?) WHERE id = ?",
                (failures, now + backoff_seconds(failures), disabled_by(failures), device_id),
            )
            return _device(db, device_id)

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
        approval in time; it ends the device's failures and is the account's last success. The
        proof of a device that is not `proved` yet moves its ratchet and nothing else.
        """

        def work(db: sqlite3.Connection) -> Decided:
            try:
                device = _device(db, device_id)
            except DeviceGoneError:
                return Decided.DISABLED
            if device.disabled is not None:
                return Decided.DISABLED
            if device.ratchet.overtaken(base, opened):
                return Decided.OVERTAKEN
            ratchet = device.ratchet.decided(base, next_root)
            if ratchet is None:
                db.execute(
                    "UPDATE device SET disabled = ? WHERE id = ?", (DisabledReason.CLONE, device_id)
                )
                return Decided.DISABLED
            _store_ratchet(db, device_id, ratchet)
            if device.proved and success:
                db.execute(
                    "UPDATE device SET failures = 0, backoff_until = 0, last_used = ? WHERE id = ?",
                    (int(now), device_id),
                )
                db.execute(
                    "UPDATE account SET last_success = ?, failures_since = 0 WHERE name = ?",
                    (int(now), device.account),
                )
            elif device.proved:
                _note_unsuccessful(db, device.account)
            return Decided.MOVED

        return await self._transaction(work)

    async def confirm(self, device_id: int, successor: Generation) -> None:
        """Move the ratchet for CONFIRM. Nothing to do when the device was revoked meanwhile."""

        def work(db: sqlite3.Connection) -> None:
            try:
                device = _device(db, device_id)
            except DeviceGoneError:
                return
            ratchet = device.ratchet.confirmed(successor)
            if ratchet != device.ratchet:
                _store_ratchet(db, device_id, ratchet)

        await self._transaction(work)

    async def note_unsuccessful(self, account: str) -> None:
        """One more sign-on without success for the next CONTEXT to tell; unknown accounts: none.

        The count stays at MAX_FAILURES_SINCE.
        """
        await self._transaction(lambda db: _note_unsuccessful(db, account))

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
            _store_ratchet(db, device_id, Ratchet(Generation(0, ratchet_root)))
            return int(device_id)

        return await self._transaction(work)

    async def prove(self, device_id: int, now: float) -> None:
        """The device has shown that it holds its key: from now on it can sign on.

        Raises DeviceGoneError (too late, too), or TooManyDevicesError when others were quicker.
        """

        def work(db: sqlite3.Connection) -> None:
            _remove_unproved(db, now)
            _check_room(db, _device(db, device_id).account)
            db.execute("UPDATE device SET proved = 1 WHERE id = ?", (device_id,))

        await self._transaction(work)

    async def list_devices(self) -> tuple[Device, ...]:
        """Every device of every account, those not proved yet too, by account and age."""
        return await self._transaction(lambda db: _devices(db, "", order="account, id"))

    async def revoke(self, account: str, device_id: int | None) -> tuple[Device, ...]:
        """Remove one device of `account`, or all (None). What was removed, which may be nothing.

        The secrets are overwritten in the file. A sign-on that is going on with the device cannot
        succeed any more: `decide` says so.
        """

        def work(db: sqlite3.Connection) -> tuple[Device, ...]:
            chosen = _devices(db, "WHERE account = ? AND id = coalesce(?, id)", account, device_id)
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


def _devices(
    db: sqlite3.Connection, where: str, *values: object, order: str = "id"
) -> tuple[Device, ...]:
    rows = db.execute(f"{_DEVICE} {where} ORDER BY {order}", values).fetchall()
    return tuple(_from_row(db, row) for row in rows)


def _device(db: sqlite3.Connection, device_id: int) -> Device:
    found = _devices(db, "WHERE id = ?", device_id)
    if not found:
        raise DeviceGoneError(f"device {device_id} was revoked meanwhile")
    return found[0]


def _from_row(db: sqlite3.Connection, row: sqlite3.Row) -> Device:
    fields = dict(row)
    fields["proved"] = bool(row["proved"])
    fields["disabled"] = None if row["disabled"] is None else DisabledReason(row["disabled"])
    return Device(ratchet=_load_ratchet(db, row["id"]), **fields)


def _load_ratchet(db: sqlite3.Connection, device_id: int) -> Ratchet:
    places = {
        row["place"]: Generation(row["number"], row["root"])
        for row in db.execute(
            "SELECT place, number, root FROM generation WHERE device = ? ORDER BY place",
            (device_id,),
        )
    }
    if CURRENT not in places:
        raise sqlite3.DatabaseError("a device without a current generation")
    retired = tuple(each for place, each in places.items() if place > CURRENT)
    return Ratchet(places[CURRENT], places.get(PENDING), retired)


def _store_ratchet(db: sqlite3.Connection, device_id: int, ratchet: Ratchet) -> None:
    places = {CURRENT: ratchet.current}
    places |= {} if ratchet.pending is None else {PENDING: ratchet.pending}
    places |= dict(enumerate(ratchet.retired, start=CURRENT + 1))
    db.execute("DELETE FROM generation WHERE device = ?", (device_id,))
    db.executemany(
        "INSERT INTO generation (device, place, number, root) VALUES (?, ?, ?, ?)",
        [(device_id, place, each.number, each.root) for place, each in places.items()],
    )


def _note_unsuccessful(db: sqlite3.Connection, account: str) -> None:
    db.execute(
        "UPDATE account SET failures_since = min(failures_since + 1, ?) WHERE name = ?",
        (MAX_FAILURES_SINCE, account),
    )


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
