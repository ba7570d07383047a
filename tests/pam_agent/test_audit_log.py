from pam_agent.audit_log import AuditEntry, AuditKind


def test_an_entry_says_at_least_when_what_who_and_how() -> None:
    entry = AuditEntry(1, AuditKind.ALIAS, "alice", "set")
    assert (entry.service, entry.remote, entry.detail, entry.handshake) == ("", "", "", b"")
    assert entry.device is None
