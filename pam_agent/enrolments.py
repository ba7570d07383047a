"""shell. Enrolling and revoking devices: each method is one transaction of the store."""

from dataclasses import replace
from typing import Final

from pam_agent.accounts import present_device
from pam_agent.administration_rows import write_audit
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.records import Device
from pam_agent.rows import (
    delete_empty_accounts,
    insert_account,
    insert_device,
    read_devices,
    remove_unproved,
    write_device,
    write_ratchet,
)
from pam_agent.store import Store, Transaction
from protocol.limits import MAX_TAGS
from protocol.ratchet import Generation, Ratchet


class TooManyDevicesError(Exception):
    """The account has MAX_TAGS devices; one must be revoked before another is enrolled."""


class Enrolments:
    """Times passed in are Unix seconds."""

    def __init__(self, store: Store) -> None:
        self._store: Final = store

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

        def work(tx: Transaction) -> int:
            remove_unproved(tx, now)
            _check_room(tx, account)
            insert_account(tx, account)
            device_id = insert_device(tx, account, name, public, rendezvous_root, int(now))
            write_ratchet(tx, device_id, Ratchet(Generation(0, ratchet_root)))
            return device_id

        return await self._store.transaction(work)

    async def prove(self, device_id: int, now: float) -> None:
        """The device has shown that it holds its key: from now on it can sign on.

        Raises DeviceGoneError (too late, too), or TooManyDevicesError when others were quicker.
        """

        def work(tx: Transaction) -> None:
            remove_unproved(tx, now)
            device = present_device(tx, device_id)
            _check_room(tx, device.account)
            write_device(tx, device, replace(device, proved=True))
            write_audit(
                tx,
                AuditEntry(
                    int(now),
                    AuditKind.ENROLMENT,
                    device.account,
                    "enrolled",
                    device=device.id,
                    detail=device.name,
                ),
            )

        await self._store.transaction(work)

    async def list_devices(self) -> tuple[Device, ...]:
        """Every device of every account, those not proved yet too, by account and age."""
        return await self._store.transaction(lambda tx: read_devices(tx, "", order="account, id"))

    async def revoke(
        self, account: str, device_id: int | None, now: float, by: str = ""
    ) -> tuple[Device, ...]:
        """Remove one device of `account`, or all (None). What was removed, which may be nothing.

        The secrets are overwritten in the file. A sign-on that is going on with the device cannot
        succeed any more: `Accounts.decide` says so. `by` is who did it, for the audit log.
        """

        def work(tx: Transaction) -> tuple[Device, ...]:
            chosen = read_devices(
                tx, "WHERE account = ? AND id = coalesce(?, id)", account, device_id
            )
            tx.db.executemany("DELETE FROM device WHERE id = ?", [(each.id,) for each in chosen])
            delete_empty_accounts(tx)
            for each in chosen:
                write_audit(
                    tx,
                    AuditEntry(
                        int(now),
                        AuditKind.REVOCATION,
                        account,
                        "revoked",
                        device=each.id,
                        detail=" ".join(filter(None, (each.name, by))),
                    ),
                )
            return chosen

        return await self._store.transaction(work, overwrite=True)


def _check_room(tx: Transaction, account: str) -> None:
    count = tx.db.execute(
        "SELECT count(*) FROM device WHERE account = ? AND proved = 1", (account,)
    ).fetchone()[0]
    if count >= MAX_TAGS:
        raise TooManyDevicesError(f"{account} has {count} devices already")
