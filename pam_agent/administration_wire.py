"""pure. Lines of the admin socket about what administrators say of accounts, and the audit log."""

from typing import Annotated

from msgspec import Meta, Struct

from pam_agent.audit_log import AuditEntry
from pam_agent.break_glass import MAX_BREAK_GLASS, MAX_REASON, MIN_BREAK_GLASS
from pam_agent.methods import Method
from pam_agent.totp_wire import RemoveTotp, SetTotp, TotpLine, TotpSecret
from pam_agent.wire_values import Account, Service, UnixSeconds


class SetAlias(Struct, frozen=True, forbid_unknown_fields=True, tag="set-alias"):
    """Let `account` sign on as `name` too; without `account` no longer."""

    name: Account
    account: Account | None


class SetMethods(Struct, frozen=True, forbid_unknown_fields=True, tag="set-methods"):
    """What `account` may use for `service`, or for every service (`*`); none: as configured."""

    account: Account
    service: Service
    methods: Annotated[tuple[Method, ...], Meta(max_length=len(Method))]


class OpenBreakGlass(Struct, frozen=True, forbid_unknown_fields=True, tag="open-break-glass"):
    """Answered by a BreakGlassLine."""

    account: Account
    seconds: Annotated[int, Meta(ge=MIN_BREAK_GLASS, le=MAX_BREAK_GLASS)]
    reason: Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]


class EndBreakGlass(Struct, frozen=True, forbid_unknown_fields=True, tag="end-break-glass"):
    """Answered by the BreakGlassLine of what was ended, if anything was."""

    account: Account


class ListAdministration(Struct, frozen=True, forbid_unknown_fields=True, tag="administration"):
    """Answered by a line for each alias, each account's methods, each TOTP, each break-glass that
    holds."""


class ShowAudit(Struct, frozen=True, forbid_unknown_fields=True, tag="show-audit"):
    """Answered by an AuditLine for each entry from `since` on, the oldest first."""

    since: UnixSeconds


AdministrationRequest = (
    SetAlias
    | SetMethods
    | SetTotp
    | RemoveTotp
    | OpenBreakGlass
    | EndBreakGlass
    | ListAdministration
    | ShowAudit
)


class AliasLine(Struct, frozen=True, tag="alias"):
    """`account` signs on as `name` too."""

    name: str
    account: str


class MethodsLine(Struct, frozen=True, tag="methods"):
    """What an account may use for a service; `*` is every service without its own line."""

    account: str
    service: str
    methods: tuple[Method, ...]


class BreakGlassLine(Struct, frozen=True, tag="break-glass"):
    """Times in Unix seconds."""

    account: str
    opened: int
    until: int
    reason: str
    by_uid: int


class AuditLine(Struct, frozen=True, tag="audit", omit_defaults=True):
    """One entry; see audit_log.AuditEntry. `handshake` in hexadecimal."""

    at: int
    kind: str
    account: str
    outcome: str
    service: str = ""
    remote: str = ""
    device: int | None = None
    detail: str = ""
    handshake: str = ""

    @staticmethod
    def of(entry: AuditEntry) -> "AuditLine":
        return AuditLine(
            entry.at,
            entry.kind,
            entry.account,
            entry.outcome,
            entry.service,
            entry.remote,
            entry.device,
            entry.detail,
            entry.handshake.hex(),
        )


AdministrationReply = AliasLine | MethodsLine | TotpLine | TotpSecret | BreakGlassLine | AuditLine
