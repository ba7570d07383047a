"""shell. The admin socket: aliases, methods, TOTPs, break-glass and the audit log."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from pam_agent.administration import Administration, ChangeRefusedError
from pam_agent.administration_wire import (
    AdministrationReply,
    AdministrationRequest,
    AliasLine,
    AuditLine,
    BreakGlassLine,
    EndBreakGlass,
    ListAdministration,
    MethodsLine,
    OpenBreakGlass,
    SetAlias,
    SetMethods,
    ShowAudit,
)
from pam_agent.break_glass import BreakGlass
from pam_agent.break_glass_watch import BreakGlassWatch, log_open
from pam_agent.methods import Method
from pam_agent.totp_store import TotpStore
from pam_agent.totp_wire import RemoveTotp, SetTotp, TotpSecret
from protocol.text import clean

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Administering:
    """Does what is asked, and logs it. Who may ask at all is the admin socket's matter."""

    def __init__(
        self,
        administration: Administration,
        watch: BreakGlassWatch,
        totps: TotpStore,
        changed: Callable[[str], None],
    ) -> None:
        """`changed` is called with an account for which something else counts from now on: no
        lease and no waiting sign-on of before is to outlive that."""
        self._administration: Final = administration
        self._watch: Final = watch
        self._totps: Final = totps
        self._changed: Final = changed

    async def answer(
        self, request: AdministrationRequest, uid: int
    ) -> AsyncIterator[AdministrationReply]:
        """The lines of an answer; `uid` is the caller's. Raises ChangeRefusedError, StoreError."""
        match request:
            case SetAlias():
                await self._set_alias(request, uid)
            case SetMethods():
                await self._set_methods(request, uid)
            case SetTotp():
                secret = await self._totps.give(request.account, uid, time.time())
                self._changed(request.account)
                yield TotpSecret(secret)
            case RemoveTotp():
                await self._totps.remove(request.account, uid, time.time())
                self._changed(request.account)
            case OpenBreakGlass():
                yield await self._open(request, uid)
            case EndBreakGlass():
                _check_root(uid)
                ended = await self._administration.end_break_glass(
                    request.account, uid, time.time()
                )
                if ended is not None:
                    _log.warning("break-glass ended", user=ended.account, reason=f"by uid {uid}")
                    yield _line(ended)
            case ListAdministration():
                async for line in self._list():
                    yield line
            case ShowAudit():
                async for entry in self._audit(request.since):
                    yield entry

    async def _set_alias(self, request: SetAlias, uid: int) -> None:
        name, account, now = request.name, request.account, time.time()
        if account is not None:
            before = await self._administration.set_alias(name, account, uid, now)
        else:
            before = await self._administration.remove_alias(name, uid, now)
            if before is None:
                raise ChangeRefusedError(f"{name} is no other name of anybody")
        for each in {name, account or name, before or name}:
            self._changed(each)
        _log.info("alias changed", name=name, user=account or "", uid=uid)

    async def _set_methods(self, request: SetMethods, uid: int) -> None:
        account, service, methods = request.account, request.service, request.methods
        if not await self._administration.set_methods(account, service, methods, uid, time.time()):
            raise ChangeRefusedError(f"nothing was set for {account} and {service}")
        self._changed(account)
        _log.info("methods changed", user=account, service=service, methods=list(methods), uid=uid)

    async def _open(self, request: OpenBreakGlass, uid: int) -> BreakGlassLine:
        _check_root(uid)
        reason = clean(request.reason).strip()
        if not reason:
            raise ChangeRefusedError("a reason is needed: it is logged, and told to the user")
        opened = await self._administration.open_break_glass(
            request.account, request.seconds, reason, uid, time.time()
        )
        log_open(opened)
        self._watch.look()
        return _line(opened)

    async def _list(self) -> AsyncIterator[AdministrationReply]:
        for name, account in await self._administration.aliases():
            yield AliasLine(name, account)
        for account, service, methods in await self._administration.methods():
            yield MethodsLine(account, service, tuple(each for each in Method if each in methods))
        for app in await self._totps.lines():
            yield app
        now = time.time()
        for each in await self._administration.break_glass():
            if each.holds(now):
                yield _line(each)

    async def _audit(self, since: int) -> AsyncIterator[AuditLine]:
        after = 0
        while batch := await self._administration.audit(since, after):
            for after, entry in batch:  # noqa: B007 - the last one's number is where it goes on
                yield AuditLine.of(entry)


def _check_root(uid: int) -> None:
    """The agent's own user may do all else."""
    if uid != 0:
        raise ChangeRefusedError("only root may open or end a break-glass")


def _line(each: BreakGlass) -> BreakGlassLine:
    return BreakGlassLine(each.account, each.opened, each.until, each.reason, each.by_uid)
