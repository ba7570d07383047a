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
    """Approved on a device, in time."""
    CODE = "code"
    """The right code was typed at the prompt: a device has computed it from the passcode."""
    TICKET = "ticket"
    """A ticket was typed as the password: a device has computed it for this service."""
    TOTP = "totp"
    """The account's authenticator app gave what was typed."""
    LEASE = "lease"
    """The same user signed on from the same place a while ago, or at the same time."""
    BREAK_GLASS = "break-glass"
    """root has opened break-glass for the account."""
    NOT_REQUIRED = "not-required"
    """The service does not ask this user to sign on."""
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
    WRONG_CODE = "wrong-code"
    """What was typed is no right code."""
    REPLAYED = "replayed"
    """What was typed was right once, and was used before."""
    THROTTLED = "throttled"
    """What was typed was not looked at: there were too many tries."""
    CANCELLED = "cancelled"
    """The caller went away."""
    REVOKED = "revoked"
    """The administrator revoked a device of the account meanwhile."""
    UNAVAILABLE = "unavailable"
    """No relay is there. The administrator's stack may go on without the factor then."""
    NOT_QUEUED = "not-queued"
    """A relay is there, and has not queued the request in time. Callers can bring that about."""
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


LETS_IN: Final = frozenset(
    {
        SignOnEnd.APPROVED,
        SignOnEnd.CODE,
        SignOnEnd.TICKET,
        SignOnEnd.TOTP,
        SignOnEnd.LEASE,
        SignOnEnd.BREAK_GLASS,
    }
)
"""The only ones for which PAM is told that the user has signed on."""

_OTHERS: Final[Mapping[SignOnEnd, Result]] = {
    SignOnEnd.NOT_REQUIRED: Result.IGNORED,
    SignOnEnd.UNAVAILABLE: Result.UNAVAILABLE,
    SignOnEnd.CONVERSATION_FAILED: Result.CONVERSATION_FAILED,
    SignOnEnd.STORE_FAILED: Result.FAILED,
}

OF_DEVICES: Final = frozenset(
    {
        SignOnEnd.APPROVED,
        SignOnEnd.DENIED,
        SignOnEnd.REPORTED,
        SignOnEnd.UNDECIDED,
        SignOnEnd.OVERTAKEN,
        SignOnEnd.DISABLED,
    }
)
"""Those to which a device has come."""

_TYPED: Final = frozenset({SignOnEnd.WRONG_CODE, SignOnEnd.REPLAYED, SignOnEnd.THROTTLED})
_FOR_ALL: Final = frozenset(
    {
        *(OF_DEVICES - LETS_IN),
        SignOnEnd.EXPIRED,
        SignOnEnd.REVOKED,
        SignOnEnd.UNAVAILABLE,
        SignOnEnd.NOT_QUEUED,
        SignOnEnd.STORE_FAILED,
    }
)


def result_of(end: SignOnEnd) -> Result:
    """What is said of no end is denied."""
    return Result.APPROVED if end in LETS_IN else _OTHERS.get(end, Result.DENIED)


def told_late(end: SignOnEnd) -> bool:
    """Whether it is told only some time after the answer, whatever it took to find out."""
    return end in _TYPED


def ends_those_who_joined(end: SignOnEnd, *, same_secret: bool) -> bool:
    """Whether the end of a sign-on is that of those, too, who wait with it.

    What went wrong at one caller's terminal is nobody else's, and what lets one in is none: that
    goes by way of a lease. With `same_secret`, everybody has typed the same.
    """
    return end in _FOR_ALL or (same_secret and end in _TYPED)


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
