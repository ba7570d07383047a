"""pure. One word for every end of a sign-on at the host, and what PAM is told for it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pam_agent.local_wire import Result
from pam_agent.records import Decided
from protocol.signon_messages import SignOnOutcome, Verdict


class SignOnEnd(StrEnum):
    """How a sign-on ended; the word is the log's."""

    APPROVED = "approved"
    """Approved on a device, in time. The only one that lets anybody in."""
    DENIED = "denied"
    """Denied on a device."""
    REPORTED = "reported"
    """Denied on a device, with a report to the administrator."""
    EXPIRED = "expired"
    """No device came while the passcode was valid; so it is for unknown users, too."""
    UNDECIDED = "undecided"
    """A device came, and no decision within the acknowledgement window."""
    OVERTAKEN = "overtaken"
    """The decision was held back until another sign-on of the same device had been decided."""
    DISABLED = "disabled"
    """The device is disabled, by failures, by the clone alarm or by the administrator."""
    CANCELLED = "cancelled"
    """The caller went away."""
    REVOKED = "revoked"
    """The administrator revoked a device of the account meanwhile."""
    UNAVAILABLE = "unavailable"
    """No relay queued the request."""
    NOT_SHOWN = "not-shown"
    """The service cannot show a passcode, so there is nothing to approve."""
    CONVERSATION_FAILED = "conversation-failed"
    """The application's PAM conversation returned an error."""
    NOT_ALLOWED = "not-allowed"
    """The caller may not ask for this user."""
    TOO_MANY = "too-many"
    """Too many sign-ons wait, in all or for this account."""
    STORE_FAILED = "store-failed"
    """The agent's store could not be read or written."""
    STOPPED = "stopped"
    """The agent stopped."""


RESULT: Final[Mapping[SignOnEnd, Result]] = {
    SignOnEnd.APPROVED: Result.APPROVED,
    SignOnEnd.UNAVAILABLE: Result.UNAVAILABLE,
    SignOnEnd.CONVERSATION_FAILED: Result.CONVERSATION_FAILED,
    SignOnEnd.STORE_FAILED: Result.FAILED,
}
"""What is not here is denied."""


def result_of(end: SignOnEnd) -> Result:
    return RESULT.get(end, Result.DENIED)


def concluded(
    decided: Decided, verdict: Verdict, *, in_time: bool, wanted: bool
) -> tuple[SignOnOutcome, SignOnEnd]:
    """What RECEIPT tells the device of a DECISION, and how the sign-on ends.

    `decided` is what the store made of it; OVERTAKEN has no RECEIPT and does not come here.
    `wanted` is false when the sign-on was given up while the decision was being stored. Only one
    way lets anybody in.
    """
    if decided is not Decided.MOVED:
        return SignOnOutcome.DISABLED, SignOnEnd.DISABLED
    if not wanted:
        return SignOnOutcome.REFUSED, SignOnEnd.CANCELLED
    match verdict:
        case Verdict.APPROVE if in_time:
            return SignOnOutcome.SIGNED_ON, SignOnEnd.APPROVED
        case Verdict.APPROVE:
            return SignOnOutcome.TOO_LATE, SignOnEnd.UNDECIDED
        case Verdict.REPORT:
            return SignOnOutcome.REFUSED, SignOnEnd.REPORTED
        case _:
            return SignOnOutcome.REFUSED, SignOnEnd.DENIED
