"""shell. Rows of the store as records, and records as rows. Runs inside a caller's transaction."""

import sqlite3
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.policy import UNPROVED_SECONDS
from pam_agent.records import AccountStanding, AgentIdentity, Device, DisabledReason, Totp
from pam_agent.store import Transaction
from pam_agent.store_figures import StoreFigures
from pam_agent.tables import CURRENT, PENDING
from protocol.limits import KEY_LENGTH
from protocol.ratchet import Generation, Ratchet

_DEVICE: Final = (
    "SELECT id, account, name, public, rendezvous_root, failures, backoff_until, disabled,"
    " proved, created, last_used, ticket_counter FROM device"
)


def read_identity(tx: Transaction) -> AgentIdentity:
    row = tx.db.execute("SELECT static, link, shard FROM identity").fetchone()
    static, link = (
        X25519PrivateKey.from_private_bytes(tx.seal.unseal(row[column], "identity", column, 1))
        for column in ("static", "link")
    )
    return AgentIdentity(static, link, row["shard"])


def read_devices(
    tx: Transaction, where: str, *values: object, order: str = "id"
) -> tuple[Device, ...]:
    """`where` and `order` are SQL of this program, never of anybody else."""
    rows = tx.db.execute(f"{_DEVICE} {where} ORDER BY {order}", values).fetchall()
    return tuple(_device(tx, row) for row in rows)


def read_device(tx: Transaction, device_id: int) -> Device | None:
    """None for one that was revoked."""
    found = read_devices(tx, "WHERE id = ?", device_id)
    return found[0] if found else None


def _device(tx: Transaction, row: sqlite3.Row) -> Device:
    fields = dict(row)
    fields["proved"] = bool(row["proved"])
    fields["disabled"] = None if row["disabled"] is None else DisabledReason(row["disabled"])
    fields["rendezvous_root"] = tx.seal.unseal(
        row["rendezvous_root"], "device", "rendezvous_root", row["id"]
    )
    return Device(ratchet=_read_ratchet(tx, row["id"]), **fields)


def insert_device(
    tx: Transaction, account: str, name: str, public: bytes, rendezvous_root: bytes, created: int
) -> int:
    """The id of a new device that is not proved, and has no ratchet yet."""
    device_id = int(
        tx.db.execute(
            "INSERT INTO device (account, name, public, rendezvous_root, created)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id",
            (account, name, public, bytes(KEY_LENGTH), created),
        ).fetchone()[0]
    )
    # What is sealed is sealed for its row, so the row is there first.
    tx.db.execute(
        "UPDATE device SET rendezvous_root = ? WHERE id = ?",
        (tx.seal.seal(rendezvous_root, "device", "rendezvous_root", device_id), device_id),
    )
    return device_id


def write_device(tx: Transaction, old: Device, new: Device) -> None:
    """What can change of a device, where it has changed."""
    if new == old:
        return
    tx.db.execute(
        "UPDATE device SET failures = ?, backoff_until = ?, disabled = ?, proved = ?,"
        " last_used = ?, ticket_counter = ? WHERE id = ?",
        (
            new.failures,
            new.backoff_until,
            new.disabled,
            new.proved,
            new.last_used,
            new.ticket_counter,
            new.id,
        ),
    )
    if new.ratchet != old.ratchet:
        write_ratchet(tx, new.id, new.ratchet)


def _read_ratchet(tx: Transaction, device_id: int) -> Ratchet:
    places = {}
    for place, number, root in tx.db.execute(
        "SELECT place, number, root FROM generation WHERE device = ? ORDER BY place", (device_id,)
    ):
        opened = tx.seal.unseal(root, "generation", "root", device_id, place, number)
        places[place] = Generation(number, opened)
    if CURRENT not in places:
        raise sqlite3.DatabaseError("a device without a current generation")
    retired = tuple(each for place, each in places.items() if place > CURRENT)
    return Ratchet(places[CURRENT], places.get(PENDING), retired)


def write_ratchet(tx: Transaction, device_id: int, ratchet: Ratchet) -> None:
    places = {CURRENT: ratchet.current}
    places |= {} if ratchet.pending is None else {PENDING: ratchet.pending}
    places |= dict(enumerate(ratchet.retired, start=CURRENT + 1))
    tx.db.execute("DELETE FROM generation WHERE device = ?", (device_id,))
    tx.db.executemany(
        "INSERT INTO generation (device, place, number, root) VALUES (?, ?, ?, ?)",
        [
            (
                device_id,
                place,
                each.number,
                tx.seal.seal(each.root, "generation", "root", device_id, place, each.number),
            )
            for place, each in places.items()
        ],
    )


def read_totp(tx: Transaction, account: str) -> Totp | None:
    """None where there is none."""
    row = tx.db.execute(
        "SELECT account, secret, last_step, failures, backoff_until, created FROM totp"
        " WHERE account = ?",
        (account,),
    ).fetchone()
    if row is None:
        return None
    fields = dict(row)
    fields["secret"] = tx.seal.unseal(row["secret"], "totp", "secret", account)
    return Totp(**fields)


def write_totp(tx: Transaction, totp: Totp) -> None:
    """In the place of the one that the account had, if it had one."""
    insert_account(tx, totp.account)
    tx.db.execute(
        "INSERT OR REPLACE INTO totp"
        " (account, secret, last_step, failures, backoff_until, created) VALUES (?, ?, ?, ?, ?, ?)",
        (
            totp.account,
            tx.seal.seal(totp.secret, "totp", "secret", totp.account),
            totp.last_step,
            totp.failures,
            totp.backoff_until,
            totp.created,
        ),
    )


def delete_totp(tx: Transaction, account: str) -> bool:
    """Whether there was one."""
    gone = tx.db.execute("DELETE FROM totp WHERE account = ?", (account,)).rowcount > 0
    delete_empty_accounts(tx)
    return gone


def insert_account(tx: Transaction, account: str) -> None:
    """Nothing when there is one."""
    tx.db.execute("INSERT INTO account (name) VALUES (?) ON CONFLICT DO NOTHING", (account,))


def remove_unproved(tx: Transaction, now: float) -> None:
    """Those whose device has not shown in time that it holds its key."""
    tx.db.execute("DELETE FROM device WHERE proved = 0 AND created < ?", (now - UNPROVED_SECONDS,))
    delete_empty_accounts(tx)


def delete_empty_accounts(tx: Transaction) -> None:
    """Those with nothing by which anybody could sign on."""
    tx.db.execute(
        "DELETE FROM account WHERE name NOT IN (SELECT account FROM device)"
        " AND name NOT IN (SELECT account FROM totp)"
    )


def read_figures(tx: Transaction) -> StoreFigures:
    accounts, active, disabled, unproved, break_glass = tx.db.execute(
        "SELECT (SELECT count(*) FROM account),"
        " (SELECT count(*) FROM device WHERE proved = 1 AND disabled IS NULL),"
        " (SELECT count(*) FROM device WHERE proved = 1 AND disabled IS NOT NULL),"
        " (SELECT count(*) FROM device WHERE proved = 0),"
        " (SELECT count(*) FROM breakglass)"
    ).fetchone()
    pages = tx.db.execute("PRAGMA page_count").fetchone()[0]
    size = pages * tx.db.execute("PRAGMA page_size").fetchone()[0]
    return StoreFigures(accounts, active, disabled, unproved, size, break_glass)


def read_standing(tx: Transaction, account: str) -> AccountStanding:
    """All zeros for an account that is unknown."""
    row = tx.db.execute(
        "SELECT last_success, failures_since FROM account WHERE name = ?", (account,)
    ).fetchone()
    return AccountStanding() if row is None else AccountStanding(*row)


def write_standing(tx: Transaction, account: str, standing: AccountStanding) -> None:
    """Nothing for an account that is unknown: no stranger can make the store grow."""
    tx.db.execute(
        "UPDATE account SET last_success = ?, failures_since = ? WHERE name = ?",
        (standing.last_success, standing.failures_since, account),
    )
