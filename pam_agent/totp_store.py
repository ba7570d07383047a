"""shell. Gives an account its TOTP secret, and takes it away: one transaction each."""

import secrets
from typing import Final

import structlog

from pam_agent.administration import ChangeRefusedError
from pam_agent.administration_rows import read_alias, write_audit
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.records import Totp
from pam_agent.rows import delete_totp, read_totp, write_totp
from pam_agent.store import Store, Transaction
from pam_agent.totp_uri import SECRET_LENGTH
from pam_agent.totp_wire import TotpLine

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class TotpStore:
    """Times passed in are Unix seconds; `uid` is the administrator's."""

    def __init__(self, store: Store) -> None:
        self._store: Final = store

    async def give(self, account: str, uid: int, now: float) -> bytes:
        """The new secret. Raises ChangeRefusedError where there is one: an app would stop to work
        that its owner believes in."""
        secret = secrets.token_bytes(SECRET_LENGTH)

        def work(tx: Transaction) -> None:
            if (behind := read_alias(tx, account)) is not None:
                raise ChangeRefusedError(f"{account} is another name of {behind}: say {behind}")
            if read_totp(tx, account) is not None:
                raise ChangeRefusedError(
                    f"{account} has a TOTP secret, which nobody can show again: remove it first"
                    f" (bartizan-agent totp {account} --remove)"
                )
            write_totp(tx, Totp(account, secret, created=int(now)))
            _note(tx, account, "set", uid, now)

        await self._store.transaction(work)
        _log.info("totp changed", user=account, outcome="set", uid=uid)
        return secret

    async def remove(self, account: str, uid: int, now: float) -> None:
        """Overwritten in the file, too. Raises ChangeRefusedError where there is none."""

        def work(tx: Transaction) -> None:
            if not delete_totp(tx, account):
                raise ChangeRefusedError(f"{account} has no TOTP secret")
            _note(tx, account, "removed", uid, now)

        await self._store.transaction(work, overwrite=True)
        _log.info("totp changed", user=account, outcome="removed", uid=uid)

    async def lines(self) -> tuple[TotpLine, ...]:
        """All accounts with one, by name."""
        return await self._store.transaction(
            lambda tx: tuple(
                TotpLine(*row)
                for row in tx.db.execute(
                    "SELECT account, created, failures FROM totp ORDER BY account"
                )
            )
        )


def _note(tx: Transaction, account: str, outcome: str, uid: int, now: float) -> None:
    detail = f"by uid {uid}"
    write_audit(tx, AuditEntry(int(now), AuditKind.TOTP, account, outcome, detail=detail))
