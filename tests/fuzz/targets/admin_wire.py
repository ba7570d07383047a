"""pure. The lines of the agent's admin socket, as the daemon and as the command line read them."""

from collections.abc import Iterator
from typing import get_args

from daemons.lines import MAX_LINE, AdminWireError, Done, Refused, encode_line
from daemons.troubles import Trouble
from pam_agent.admin_wire import (
    DeviceLine,
    Enroll,
    LinkKey,
    ListAccounts,
    RelayStatus,
    Reply,
    Request,
    Revoke,
    ShowLinkKey,
    ShowStatus,
    Status,
    Unknown,
    Why,
    decode_reply,
    decode_request,
)
from pam_agent.administration_wire import (
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
from pam_agent.audit_log import AuditEntry, AuditKind
from pam_agent.break_glass import MAX_BREAK_GLASS
from pam_agent.enrolment_events import Compare, Enrolled, EnrolmentFailure, Failed, Offered
from pam_agent.methods import Method
from pam_agent.sign_ons import Story
from pam_agent.totp_wire import RemoveTotp, SetTotp, TotpLine, TotpSecret
from tests.fuzz.script import Script

SIGN_ON_ID = "abcdefghijk27"
COUNTS = {"signed-on": 1, "expired": 0}


def once(data: bytes) -> None:
    """u8 request or reply | one line."""
    script = Script(data)
    decode, kinds = script.choose(((decode_request, Request), (decode_reply, Reply)))
    line = script.rest()
    try:
        message = decode(line)
    except AdminWireError:
        return
    assert type(message) in get_args(kinds)
    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE
    again = encode_line(message)
    assert again.count(b"\n") == 1
    assert decode(again) == message
    if isinstance(message, LinkKey):
        assert len(message.line.split()) == 2
        assert "#" not in message.line


def seeds() -> Iterator[bytes]:
    requests = (ListAccounts(), Revoke("anna", None), Revoke("anna", 2**63 - 1), Enroll("anna"))
    totp = (SetTotp("anna"), RemoveTotp("anna"))
    administration = (
        SetAlias("tom", "thomas"),
        SetAlias("tom", None),
        SetMethods("anna", "*", tuple(Method)),
        SetMethods("anna", "sshd", ()),
        OpenBreakGlass("anna", MAX_BREAK_GLASS, "lost"),
        EndBreakGlass("anna"),
        ListAdministration(),
        ShowAudit(2**63 - 1),
    )
    for request in (
        *requests,
        *totp,
        *administration,
        ShowLinkKey(),
        ShowStatus(),
        Why(SIGN_ON_ID),
    ):
        yield b"\0" + encode_line(request)
    replies = (
        DeviceLine("anna", 1, "phone", "active", 0, 1_800_000_000, 0),
        LinkKey(bytes(range(32)), "web #1 \u00e9"),
        Offered("bartizan:abc", 1_800_000_000),
        Compare("phone", "123456"),
        Enrolled("phone"),
        TotpLine("anna", 1_800_000_000, 3),
        TotpSecret(bytes(range(20))),
        *map(Failed, EnrolmentFailure),
        Status("1.0", "h", 0.5, 1, 2, 3, 4, COUNTS, COUNTS, 5, COUNTS, "/store", 6, "", ""),
        RelayStatus("tcp:relay:4816", False, 1.5, 0, 2, "refused"),
        Trouble(1.5, "warning", "relay lost: why silent"),
        Story("sign-on", SIGN_ON_ID, "expired", "", "anna", 1.5, {"queued": 0.5}, COUNTS),
        Unknown(1.5, 100),
        AliasLine("tom", "thomas"),
        MethodsLine("anna", "sshd", (Method.CODE,)),
        BreakGlassLine("anna", 1_800_000_000, 1_800_007_200, "lost", 0),
        AuditLine.of(AuditEntry(1, AuditKind.SIGN_ON, "anna", "approved", handshake=bytes(32))),
        AuditLine(1, "alias", "anna", "set"),
        Done(),
        Refused("no such account"),
    )
    for reply in replies:
        yield b"\1" + encode_line(reply)
    yield b"\0" + b'{"type":"revoke","account":"a","device_id":0}\n'
    yield b"\0" + b'{"type":"enroll","account":"a","more":1}\n'
    yield b"\0" + b"[" * 2000 + b"\n"
