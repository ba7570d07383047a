"""shell. Judges what is typed at the host against the store: one transaction each.

What a judgement changes is on the disk before anybody is told of it. Every failure of the store is
a StoreError, on which callers deny.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pam_agent import codes
from pam_agent.accounts import Accounts
from pam_agent.administration_rows import write_audit
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.code_throttle import CodeThrottle
from pam_agent.codes import CodeVerdict, Judgement
from pam_agent.device_state import succeeded
from pam_agent.methods import Method
from pam_agent.records import Device, Totp
from pam_agent.rows import read_devices, read_totp, write_device, write_standing, write_totp
from pam_agent.store import Transaction


@dataclass(frozen=True)
class Judged:
    """`device` is the one whose code was right; `disabled` those that this very code disabled."""

    verdict: CodeVerdict
    device: Device | None = None
    disabled: tuple[Device, ...] = ()


class Codes:
    """One for an agent's life: the throttle remembers.

    `now` is in Unix seconds, `moment` in seconds of a clock that never goes back. After RIGHT the
    account's standing says so already.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts: Final = accounts
        self._throttle: Final = CodeThrottle()

    async def judge_response(self, account: str, passcode: str, typed: str, now: float) -> Judged:
        """To be called once at most for each passcode, and only where a first factor held."""

        def work(tx: Transaction) -> Judged:
            devices = _devices(tx, account)
            judgement = codes.judge_response(devices, passcode, typed, now)
            return _stored(tx, account, Method.CODE, devices, judgement, now)

        return await self._accounts.store.transaction(work)

    async def judge_ticket(
        self, account: str, service: str, remote: str, typed: str, moment: float, now: float
    ) -> Judged:
        """`service` and `remote` as PAM's caller gave them."""
        if not self._throttle.enter(account, remote, moment):
            return Judged(CodeVerdict.THROTTLED)

        def work(tx: Transaction) -> Judged:
            devices = _devices(tx, account)
            judgement = codes.judge_ticket(devices, service, typed, now)
            return _stored(tx, account, Method.TICKET, devices, judgement, now)

        judged = await self._accounts.store.transaction(work)
        self._give_back(judged.verdict, account, remote, moment)
        return judged

    async def judge_totp(
        self, account: str, remote: str, typed: str, moment: float, now: float
    ) -> Judged:
        """No device has part in it."""
        if not self._throttle.enter(account, remote, moment):
            return Judged(CodeVerdict.THROTTLED)

        def work(tx: Transaction) -> CodeVerdict:
            verdict, changed = codes.judge_totp(read_totp(tx, account), typed, now)
            if changed is not None:
                _store_totp(tx, changed, verdict, now)
            return verdict

        verdict = await self._accounts.store.transaction(work)
        self._give_back(verdict, account, remote, moment)
        return Judged(verdict)

    def _give_back(self, verdict: CodeVerdict, account: str, remote: str, moment: float) -> None:
        if verdict is CodeVerdict.RIGHT:
            self._throttle.right(account, remote, moment)


def _devices(tx: Transaction, account: str) -> tuple[Device, ...]:
    return read_devices(tx, "WHERE account = ? AND proved = 1", account)


def _stored(
    tx: Transaction,
    account: str,
    method: Method,
    devices: Sequence[Device],
    judgement: Judgement,
    now: float,
) -> Judged:
    disabled: list[Device] = []
    before = {each.id: each for each in devices}
    for after in judgement.changed:
        write_device(tx, before[after.id], after)
        if after.failures > 0:
            newly = after.disabled is not None
            disabled += [after] if newly else []
            write_audit(
                tx,
                AuditEntry(
                    int(now),
                    AuditKind.FAILURE,
                    account,
                    "device disabled" if newly else "counted",
                    device=after.id,
                    detail=f"{method}, failure {after.failures}",
                ),
            )
    if judgement.verdict is CodeVerdict.RIGHT:
        write_standing(tx, account, succeeded(now))
    return Judged(judgement.verdict, judgement.device, tuple(disabled))


def _store_totp(tx: Transaction, totp: Totp, verdict: CodeVerdict, now: float) -> None:
    write_totp(tx, totp)
    if verdict is CodeVerdict.RIGHT:
        write_standing(tx, totp.account, succeeded(now))
        return
    detail = f"{Method.TOTP}, failure {totp.failures}"
    write_audit(tx, AuditEntry(int(now), AuditKind.FAILURE, totp.account, "counted", detail=detail))
