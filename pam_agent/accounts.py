"""shell. The agent's accounts and devices: each method is one transaction of the store.

Every write is on the disk before its method returns. Every failure is a StoreError, on which
callers fail closed; what was asked has then not been done.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pam_agent import device_state
from pam_agent.administration_rows import (
    delete_notices,
    read_alias,
    read_break_glass,
    read_methods,
    read_notices,
    write_audit,
)
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.break_glass import BreakGlass
from pam_agent.methods import Method
from pam_agent.notices import Notice
from pam_agent.records import AccountStanding, AgentIdentity, Decided, Device
from pam_agent.resealing import StoreKeys
from pam_agent.rows import (
    read_device,
    read_devices,
    read_figures,
    read_identity,
    read_standing,
    remove_unproved,
    write_device,
    write_standing,
)
from pam_agent.schema import StoreError
from pam_agent.store import Store, Transaction
from pam_agent.store_figures import StoreFigures
from protocol.ratchet import Generation, Ratchet

_NO_KEYS: Final = StoreKeys()


class DeviceGoneError(StoreError):
    """The device was revoked while something was going on with it."""


class Accounts:
    """What sign-ons and enrolments ask of the store, and change in it.

    Times passed in are Unix seconds.
    """

    def __init__(self, store: Store) -> None:
        """`open` makes it."""
        self.store: Final = store

    @staticmethod
    @asynccontextmanager
    async def open(
        state: Path, now: float, keys: StoreKeys = _NO_KEYS
    ) -> AsyncIterator["Accounts"]:
        """The store in the folder `state` (made, 0700, when missing). Raises StoreError."""
        async with Store.open(state, keys) as store:
            await store.transaction(lambda tx: remove_unproved(tx, now))
            yield Accounts(store)

    async def identity(self) -> AgentIdentity:
        """The agent's own keys, drawn when the store was made."""
        return await self.store.transaction(read_identity)

    async def devices(self, account: str) -> tuple[Device, ...]:
        """The proved devices of `account`, disabled ones too, the oldest first; at most MAX_TAGS.

        None for an account that is unknown; policy.asked says which ones a sign-on asks. For each
        H1 `device` is to be read again: another sign-on may have moved its ratchet meanwhile.
        """
        return await self.store.transaction(
            lambda tx: read_devices(tx, "WHERE account = ? AND proved = 1", account)
        )

    async def device(self, device_id: int) -> Device:
        """One device as it stands now, proved or not. Raises DeviceGoneError."""
        return await self.store.transaction(lambda tx: present_device(tx, device_id))

    async def account_standing(self, account: str) -> AccountStanding:
        """All zeros for an account that is unknown."""
        return await self.store.transaction(lambda tx: read_standing(tx, account))

    async def count_failure(self, device_id: int, now: float) -> Device:
        """Count an H1 that a holder of K_rv could not activate. The device as it then stands.

        Raises DeviceGoneError.
        """

        def work(tx: Transaction) -> Device:
            device = present_device(tx, device_id)
            changed = device_state.failed(device, now)
            write_device(tx, device, changed)
            newly = device.disabled is None and changed.disabled is not None
            write_audit(
                tx,
                AuditEntry(
                    int(now),
                    AuditKind.FAILURE,
                    device.account,
                    "device disabled" if newly else "counted",
                    device=device.id,
                    detail=f"failure {changed.failures}",
                ),
            )
            return changed

        return await self.store.transaction(work)

    async def decide(
        self,
        device_id: int,
        base: Generation,
        next_root: bytes,
        *,
        opened: Ratchet,
        success: bool,
        now: float,
        shown: tuple[Notice, ...] = (),
        audit: Callable[[Decided], AuditEntry | None] = lambda _decided: None,
    ) -> Decided:
        """Move the ratchet for a verified DECISION under `base`, as it stands in the store now.

        `opened` is the device's ratchet as it was when H1 opened under `base`. `success` is an
        approval in time; it ends the device's failures and is the account's last success. `shown`
        are the notices that CONTEXT had; `audit` makes the entry for what came of it.
        """

        def work(tx: Transaction) -> Decided:
            device = read_device(tx, device_id)
            if device is None:
                return Decided.DISABLED
            decided, changed = device_state.decided(
                device, base, next_root, opened=opened, success=success, now=now
            )
            write_device(tx, device, changed)
            if decided is Decided.MOVED:
                delete_notices(tx, device.id, shown)
            if (entry := audit(decided)) is not None:
                write_audit(tx, entry)
            if decided is Decided.MOVED and device.proved:
                standing = (
                    device_state.succeeded(now)
                    if success
                    else device_state.unsuccessful(read_standing(tx, device.account))
                )
                write_standing(tx, device.account, standing)
            return decided

        return await self.store.transaction(work)

    async def confirm(self, device_id: int, successor: Generation) -> None:
        """Move the ratchet for CONFIRM. Nothing to do when the device was revoked meanwhile."""

        def work(tx: Transaction) -> None:
            device = read_device(tx, device_id)
            if device is not None:
                write_device(tx, device, device_state.confirmed(device, successor))

        await self.store.transaction(work)

    async def note_unsuccessful(self, account: str) -> None:
        """One more sign-on without success for the next CONTEXT to tell; unknown accounts: none."""

        def work(tx: Transaction) -> None:
            standing = device_state.unsuccessful(read_standing(tx, account))
            write_standing(tx, account, standing)

        await self.store.transaction(work)

    async def resolve(self, name: str) -> str:
        """The account that signs on as `name`: the one behind another name, or `name` itself."""
        return await self.store.transaction(lambda tx: read_alias(tx, name) or name)

    async def methods_of(self, account: str, service: str) -> frozenset[Method] | None:
        """Those that the administrator has set for the account; None: nothing was set."""
        return await self.store.transaction(lambda tx: read_methods(tx, account, service))

    async def breakglass(self, account: str, now: float) -> BreakGlass | None:
        """The break-glass that holds now."""

        def work(tx: Transaction) -> BreakGlass | None:
            found = read_break_glass(tx, account)
            return found if found is not None and found.holds(now) else None

        return await self.store.transaction(work)

    async def notices(self, device_id: int) -> tuple[Notice, ...]:
        """What the device is to be told; `decide` removes what was shown."""
        return await self.store.transaction(lambda tx: read_notices(tx, device_id))

    async def audit(self, entry: AuditEntry) -> None:
        """For what changes nothing else in the store."""
        await self.store.transaction(lambda tx: write_audit(tx, entry))

    async def figures(self) -> StoreFigures:
        """How much there is."""
        return await self.store.transaction(read_figures)


def present_device(tx: Transaction, device_id: int) -> Device:
    """Raises DeviceGoneError."""
    device = read_device(tx, device_id)
    if device is None:
        raise DeviceGoneError(f"device {device_id} was revoked meanwhile")
    return device
