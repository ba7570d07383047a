"""shell. Rows of the store as records, and records as rows. Runs inside a caller's transaction."""

import sqlite3
from typing import Final

from pam_agent.records import AccountStanding, Device, DisabledReason
from pam_agent.schema import CURRENT, PENDING
from pam_agent.store_figures import StoreFigures
from protocol.ratchet import Generation, Ratchet

_DEVICE: Final = (
    "SELECT id, account, name, public, rendezvous_root, failures, backoff_until, disabled,"
    " proved, created, last_used FROM device"
)


def read_devices(
    db: sqlite3.Connection, where: str, *values: object, order: str = "id"
) -> tuple[Device, ...]:
    """`where` and `order` are SQL of this program, never of anybody else."""
    rows = db.execute(f"{_DEVICE} {where} ORDER BY {order}", values).fetchall()
    return tuple(_device(db, row) for row in rows)


def read_device(db: sqlite3.Connection, device_id: int) -> Device | None:
    """None for one that was revoked."""
    found = read_devices(db, "WHERE id = ?", device_id)
    return found[0] if found else None


def _device(db: sqlite3.Connection, row: sqlite3.Row) -> Device:
    fields = dict(row)
    fields["proved"] = bool(row["proved"])
    fields["disabled"] = None if row["disabled"] is None else DisabledReason(row["disabled"])
    return Device(ratchet=_read_ratchet(db, row["id"]), **fields)


def write_device(db: sqlite3.Connection, old: Device, new: Device) -> None:
    """What can change of a device, where it has changed."""
    if new == old:
        return
    db.execute(
        "UPDATE device SET failures = ?, backoff_until = ?, disabled = ?, proved = ?, last_used = ?"
        " WHERE id = ?",
        (new.failures, new.backoff_until, new.disabled, new.proved, new.last_used, new.id),
    )
    if new.ratchet != old.ratchet:
        write_ratchet(db, new.id, new.ratchet)


def _read_ratchet(db: sqlite3.Connection, device_id: int) -> Ratchet:
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


def write_ratchet(db: sqlite3.Connection, device_id: int, ratchet: Ratchet) -> None:
    places = {CURRENT: ratchet.current}
    places |= {} if ratchet.pending is None else {PENDING: ratchet.pending}
    places |= dict(enumerate(ratchet.retired, start=CURRENT + 1))
    db.execute("DELETE FROM generation WHERE device = ?", (device_id,))
    db.executemany(
        "INSERT INTO generation (device, place, number, root) VALUES (?, ?, ?, ?)",
        [(device_id, place, each.number, each.root) for place, each in places.items()],
    )


def read_figures(db: sqlite3.Connection) -> StoreFigures:
    accounts, active, disabled, unproved = db.execute(
        "SELECT (SELECT count(*) FROM account),"
        " (SELECT count(*) FROM device WHERE proved = 1 AND disabled IS NULL),"
        " (SELECT count(*) FROM device WHERE proved = 1 AND disabled IS NOT NULL),"
        " (SELECT count(*) FROM device WHERE proved = 0)"
    ).fetchone()
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    size = pages * db.execute("PRAGMA page_size").fetchone()[0]
    return StoreFigures(accounts, active, disabled, unproved, size)


def read_standing(db: sqlite3.Connection, account: str) -> AccountStanding:
    """All zeros for an account that is unknown."""
    row = db.execute(
        "SELECT last_success, failures_since FROM account WHERE name = ?", (account,)
    ).fetchone()
    return AccountStanding() if row is None else AccountStanding(*row)


def write_standing(db: sqlite3.Connection, account: str, standing: AccountStanding) -> None:
    """Nothing for an account that is unknown: no stranger can make the store grow."""
    db.execute(
        "UPDATE account SET last_success = ?, failures_since = ? WHERE name = ?",
        (standing.last_success, standing.failures_since, account),
    )
