"""shell. What administrators say of accounts: each method is one transaction of the store, with its
entry in the audit log."""

from collections.abc import Sequence
from typing import Final

from pam_agent.administration_rows import (
    decode_methods,
    encode_methods,
    read_alias,
    read_audit,
    read_break_glass,
    write_audit,
    write_notice,
)
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.break_glass import BreakGlass, used
from pam_agent.methods import Method
from pam_agent.outcomes import SignOnEnd
from pam_agent.store import Store, Transaction

AUDIT_BATCH: Final = 1000
"""Entries read in one transaction: sign-ons wait for no more than these, some milliseconds."""


class ChangeRefusedError(Exception):
    """It would do harm or make no sense; the message, for the operator, says why."""


class Administration:
    """Times passed in are Unix seconds; `uid` is the administrator's."""

    def __init__(self, store: Store) -> None:
        self._store: Final = store

    async def set_alias(self, name: str, account: str, uid: int, now: float) -> str | None:
        """The account that the name stood for until now.

        Raises ChangeRefusedError: no account that is in use disappears behind another's name, and
        no name leads on to a third.
        """

        def work(tx: Transaction) -> str | None:
            if name == account:
                raise ChangeRefusedError(f"{name} is itself already")
            if (behind := read_alias(tx, account)) is not None:
                raise ChangeRefusedError(f"{account} is another name of {behind}: say {behind}")
            if _exists(tx, "alias", name):
                raise ChangeRefusedError(f"{name} has other names itself: they would lead nowhere")
            for table, what in (("device", "devices"), ("totp", "a TOTP secret")):
                if _exists(tx, table, name):
                    raise ChangeRefusedError(
                        f"{name} has {what} of its own, which nobody would be asked for any more:"
                        " remove them first"
                    )
            before = read_alias(tx, name)
            tx.db.execute(
                "INSERT OR REPLACE INTO alias (name, account) VALUES (?, ?)", (name, account)
            )
            _note(tx, AuditKind.ALIAS, account, "set", name, uid, now)
            return before

        return await self._store.transaction(work)

    async def remove_alias(self, name: str, uid: int, now: float) -> str | None:
        """The account that it stood for; None when it was no alias."""

        def work(tx: Transaction) -> str | None:
            account = read_alias(tx, name)
            if account is None:
                return None
            tx.db.execute("DELETE FROM alias WHERE name = ?", (name,))
            _note(tx, AuditKind.ALIAS, account, "removed", name, uid, now)
            return account

        return await self._store.transaction(work)

    async def aliases(self) -> tuple[tuple[str, str], ...]:
        """Each name with its account."""
        return await self._store.transaction(
            lambda tx: tuple(
                (row["name"], row["account"])
                for row in tx.db.execute("SELECT name, account FROM alias ORDER BY account, name")
            )
        )

    async def set_methods(
        self, account: str, service: str, methods: Sequence[Method], uid: int, now: float
    ) -> bool:
        """Without methods the service's own hold again; whether anything was or is set."""

        def work(tx: Transaction) -> bool:
            gone = tx.db.execute(
                "DELETE FROM method WHERE account = ? AND service = ?", (account, service)
            ).rowcount
            if not methods and not gone:
                return False
            if methods:
                tx.db.execute(
                    "INSERT INTO method (account, service, methods) VALUES (?, ?, ?)",
                    (account, service, encode_methods(frozenset(methods))),
                )
            outcome = "set" if methods else "removed"
            said = encode_methods(frozenset(methods))
            _note(tx, AuditKind.METHODS, account, outcome, said, uid, now, service)
            return True

        return await self._store.transaction(work)

    async def methods(self) -> tuple[tuple[str, str, frozenset[Method]], ...]:
        """Account, service (`*`: every other) and what is allowed there."""
        return await self._store.transaction(
            lambda tx: tuple(
                (row["account"], row["service"], decode_methods(row["methods"]))
                for row in tx.db.execute("SELECT * FROM method ORDER BY account, service")
            )
        )

    async def open_break_glass(
        self, account: str, seconds: int, reason: str, uid: int, now: float
    ) -> BreakGlass:
        """In the place of one that is open. Every device of the account is told."""

        def work(tx: Transaction) -> BreakGlass:
            _end(tx, account, now, f"replaced by uid {uid}")
            opened = BreakGlass(account, int(now), int(now) + seconds, reason, uid)
            tx.db.execute(
                "INSERT INTO breakglass (account, opened, until, reason, by_uid)"
                " VALUES (?, ?, ?, ?, ?)",
                (account, opened.opened, opened.until, reason, uid),
            )
            write_notice(tx, account, opened.opened, opened.notice())
            _note(tx, AuditKind.BREAK_GLASS, account, "opened", f"{seconds} s: {reason}", uid, now)
            return opened

        return await self._store.transaction(work)

    async def end_break_glass(self, account: str, uid: int, now: float) -> BreakGlass | None:
        """What was ended, if anything was."""
        return await self._store.transaction(lambda tx: _end(tx, account, now, f"by uid {uid}"))

    async def move_break_glass(self, seconds: int) -> None:
        """The clock was set back by so much: all end when they would have ended without that."""

        def work(tx: Transaction) -> None:
            for each in _all_break_glass(tx):
                moved = each.moved(seconds)
                tx.db.execute(
                    "UPDATE breakglass SET opened = ?, until = ? WHERE account = ?",
                    (moved.opened, moved.until, each.account),
                )
                tx.db.execute(
                    "UPDATE notice SET text = ? WHERE text = ?", (moved.notice(), each.notice())
                )

        await self._store.transaction(work)

    async def end_old_break_glass(self, now: float) -> tuple[BreakGlass, ...]:
        """Those that hold no longer."""

        def work(tx: Transaction) -> tuple[BreakGlass, ...]:
            old = [each for each in _all_break_glass(tx) if not each.holds(now)]
            for each in old:
                _end(tx, each.account, now, "ran out")
            return tuple(old)

        return await self._store.transaction(work)

    async def break_glass(self) -> tuple[BreakGlass, ...]:
        """All that are open, by account."""
        return await self._store.transaction(_all_break_glass)

    async def audit(self, since: int, after: int) -> list[tuple[int, AuditEntry]]:
        """The next AUDIT_BATCH entries from `since` on, each with its number, behind number
        `after`."""
        return await self._store.transaction(
            lambda tx: list(read_audit(tx, since, after, AUDIT_BATCH))
        )


def _all_break_glass(tx: Transaction) -> tuple[BreakGlass, ...]:
    names = [row[0] for row in tx.db.execute("SELECT account FROM breakglass ORDER BY account")]
    found = (read_break_glass(tx, name) for name in names)
    return tuple(each for each in found if each is not None)


def _end(tx: Transaction, account: str, now: float, how: str) -> BreakGlass | None:
    """Its devices are told what came of it, in the place of what they have not been told yet."""
    ended = read_break_glass(tx, account)
    if ended is None:
        return None
    tx.db.execute("DELETE FROM breakglass WHERE account = ?", (account,))
    uses = tx.db.execute(
        "SELECT count(*) FROM audit WHERE account = ? AND kind = ? AND outcome = ? AND at >= ?",
        (account, AuditKind.SIGN_ON, SignOnEnd.BREAK_GLASS, ended.opened),
    ).fetchone()[0]
    tx.db.execute("DELETE FROM notice WHERE text = ?", (ended.notice(),))
    write_notice(tx, account, int(now), ended.last_notice(now, uses))
    detail = f"{how}, {used(uses)}"
    write_audit(tx, AuditEntry(int(now), AuditKind.BREAK_GLASS, account, "ended", detail=detail))
    return ended


def _exists(tx: Transaction, table: str, account: str) -> bool:
    """`table` is this program's."""
    query = f"SELECT 1 FROM {table} WHERE account = ? LIMIT 1"  # noqa: S608
    return tx.db.execute(query, (account,)).fetchone() is not None


def _note(
    tx: Transaction,
    kind: AuditKind,
    account: str,
    outcome: str,
    detail: str,
    uid: int,
    now: float,
    service: str = "",
) -> None:
    entry = AuditEntry(
        int(now), kind, account, outcome, service, detail=" ".join(f"{detail} by uid {uid}".split())
    )
    write_audit(tx, entry)
