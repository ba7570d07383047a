"""pure. One word for every end of a sign-on on this device, and the exit code it has."""

from enum import IntEnum, StrEnum
from typing import Final

from protocol.signon_messages import SignOnOutcome, Verdict


class ExitCode(IntEnum):
    """What scripts see. The man page's table is the same."""

    SIGNED_ON = 0
    NOT_SIGNED_ON = 1
    USAGE = 2
    NO_SUCH_SIGN_ON = 3
    UNREACHABLE = 4
    INTERRUPTED = 5
    DISABLED = 6
    KEY_STORE = 7


class Outcome(StrEnum):
    """The word in the log. Closed: every end has one, and each has its text on the screen."""

    SIGNED_ON = "signed-on"
    DENIED = "denied"
    REPORTED = "reported"
    REFUSED = "refused"
    AWAITING_APPROVER = "awaiting-approver"
    TOO_LATE = "too-late"
    CONTRADICTED = "contradicted"
    """The user denied, and the host says that it let the sign-on pass."""
    NO_SUCH_SIGN_ON = "no-such-sign-on"
    UNREACHABLE = "unreachable"
    NOT_GENUINE = "not-genuine"
    """Something answered that does not hold the host's key."""
    UNDECIDED = "undecided"
    """The sign-on ended, or the user left, before a decision was sent."""
    UNKNOWN = "unknown"
    """A decision was sent, and no RECEIPT came."""
    DISABLED = "disabled"


EXIT_CODES: Final = {
    Outcome.SIGNED_ON: ExitCode.SIGNED_ON,
    Outcome.DENIED: ExitCode.NOT_SIGNED_ON,
    Outcome.REPORTED: ExitCode.NOT_SIGNED_ON,
    Outcome.REFUSED: ExitCode.NOT_SIGNED_ON,
    Outcome.AWAITING_APPROVER: ExitCode.NOT_SIGNED_ON,
    Outcome.TOO_LATE: ExitCode.NOT_SIGNED_ON,
    Outcome.CONTRADICTED: ExitCode.NOT_SIGNED_ON,
    Outcome.NO_SUCH_SIGN_ON: ExitCode.NO_SUCH_SIGN_ON,
    Outcome.UNREACHABLE: ExitCode.UNREACHABLE,
    Outcome.NOT_GENUINE: ExitCode.INTERRUPTED,
    Outcome.UNDECIDED: ExitCode.INTERRUPTED,
    Outcome.UNKNOWN: ExitCode.INTERRUPTED,
    Outcome.DISABLED: ExitCode.DISABLED,
}

_RECEIPTS: Final = {
    SignOnOutcome.SIGNED_ON: Outcome.SIGNED_ON,
    SignOnOutcome.REFUSED: Outcome.REFUSED,
    SignOnOutcome.AWAITING_APPROVER: Outcome.AWAITING_APPROVER,
    SignOnOutcome.TOO_LATE: Outcome.TOO_LATE,
    SignOnOutcome.DISABLED: Outcome.DISABLED,
}
_DENIALS: Final = {Verdict.DENY: Outcome.DENIED, Verdict.REPORT: Outcome.REPORTED}


def concluded(verdict: Verdict, receipt: SignOnOutcome) -> Outcome:
    """The outcome that a decision and its RECEIPT make together."""
    outcome = _RECEIPTS[receipt]
    if verdict is Verdict.APPROVE:
        return outcome
    if outcome is Outcome.REFUSED:
        return _DENIALS[verdict]
    if outcome in (Outcome.SIGNED_ON, Outcome.AWAITING_APPROVER):
        return Outcome.CONTRADICTED
    return outcome
