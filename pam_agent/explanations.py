"""pure. What each end means to an administrator, and what to do about it.

For `bartizan-agent why` and docs/outcomes.md, by the words of the log. What the user sees of an end
is in conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pam_agent.enrolment_events import EnrolmentFailure
from pam_agent.outcomes import SignOnEnd

ENROLLED: Final = "enrolled"
"""The word for an enrolment that ended with a device."""
CANCELLED: Final = "cancelled"
"""The word for one whose administrator went away."""


@dataclass(frozen=True)
class Explanation:
    """`relay` are the words that a relay may have for its part of it, at least one of them for each
    relay that had the request (relay/outcomes.py)."""

    meaning: str
    advice: str
    relay: tuple[str, ...]


_ENDED_THERE: Final = ("done", "validator-gone", "withdrawn", "agent-gone", "drained")
"""A device came, and the agent had its word: who hangs up first is a matter of milliseconds."""
_TAKEN_BACK: Final = ("withdrawn", "validator-gone", "agent-gone", "drained")
"""The agent needs it no longer, and says so, unless its link is gone."""
_NOT_THERE: Final[tuple[str, ...]] = ()
"""It was never at a relay."""

SIGN_ONS: Final[Mapping[SignOnEnd, Explanation]] = {
    SignOnEnd.APPROVED: Explanation(
        "approved on a device, in time; the user was let in",
        "nothing",
        _ENDED_THERE,
    ),
    SignOnEnd.DENIED: Explanation(
        "denied on a device",
        "ask the user; if they did not sign on themselves, somebody has their first factor",
        _ENDED_THERE,
    ),
    SignOnEnd.REPORTED: Explanation(
        "denied on a device, and reported: the user says that it was not them",
        "find out who signed on from that address; change the user's first factor",
        _ENDED_THERE,
    ),
    SignOnEnd.EXPIRED: Explanation(
        "no device came with the passcode while it was valid, or none that could open it; it is"
        " the same for an unknown user and for one without a device",
        "see that the user has an active device (bartizan-agent accounts), that the device reaches"
        " the relay, and, if a device was rejected, that it is the enrolled one",
        ("expired", "rejected-too-often", *_TAKEN_BACK),
    ),
    SignOnEnd.UNDECIDED: Explanation(
        "a device came, and no decision came from it in time",
        "have the user try again, with a better network on the device; timers.acknowledgement is"
        " how long they have",
        ("stalled", "lifetime", "done", *_TAKEN_BACK),
    ),
    SignOnEnd.OVERTAKEN: Explanation(
        "another sign-on of the same device was decided while this decision was on its way",
        "have the user try again; often, it is a relay that holds messages back",
        _ENDED_THERE,
    ),
    SignOnEnd.DISABLED: Explanation(
        "the device is disabled, by failures or because there are two copies of it",
        "find out which (bartizan-agent accounts), revoke it, enrol anew",
        _ENDED_THERE,
    ),
    SignOnEnd.CODE: Explanation(
        "the right code was typed at the prompt, which a device had computed from the passcode; the"
        " user was let in",
        "nothing",
        _TAKEN_BACK,
    ),
    SignOnEnd.TICKET: Explanation(
        "a ticket for this service was typed as the password, or behind it; the user was let in",
        "nothing",
        _NOT_THERE,
    ),
    SignOnEnd.TOTP: Explanation(
        "the code of the account's authenticator app was typed; the user was let in",
        "nothing",
        _TAKEN_BACK,
    ),
    SignOnEnd.LEASE: Explanation(
        "the same user signed on from the same place a while ago, or at the same time;"
        " services.NAME.lease says for how long that counts",
        "nothing",
        _NOT_THERE,
    ),
    SignOnEnd.BREAK_GLASS: Explanation(
        "break-glass is open for the account, so the user was let in without a device",
        "enrol a device, then bartizan-agent breakglass USER --end",
        _NOT_THERE,
    ),
    SignOnEnd.NOT_REQUIRED: Explanation(
        "services.NAME.users and groups do not ask this user to sign on; PAM was told to ignore the"
        " module",
        "nothing",
        _NOT_THERE,
    ),
    SignOnEnd.WRONG_CODE: Explanation(
        "what was typed is no right code, ticket or TOTP",
        "have the user make a new one, for this host and this service; if they did not type"
        " anything, somebody else tries, and may have their first factor",
        _TAKEN_BACK,
    ),
    SignOnEnd.REPLAYED: Explanation(
        "what was typed was right once, and was used before",
        "each works once: have the user make another; if they did not type it twice, somebody has"
        " read it",
        _TAKEN_BACK,
    ),
    SignOnEnd.THROTTLED: Explanation(
        "there were too many wrong codes for this account or from this address, so this one was not"
        " looked at",
        "wait; see in the log where they come from",
        _TAKEN_BACK,
    ),
    SignOnEnd.CANCELLED: Explanation(
        "the program that asked went away: Ctrl-C, a closed connection, a time limit of its own",
        "if it happens by itself: raise the program's limit (sshd: LoginGraceTime)",
        ("expired", "done", *_TAKEN_BACK),
    ),
    SignOnEnd.REVOKED: Explanation(
        "an administrator revoked a device of the account meanwhile",
        "have the user try again, if another device is left",
        ("done", *_TAKEN_BACK),
    ),
    SignOnEnd.UNAVAILABLE: Explanation(
        "no relay was there, so nothing was shown, or no code was typed",
        "bartizan-agent status: see why no relay is up",
        ("expired", *_TAKEN_BACK),
    ),
    SignOnEnd.NOT_QUEUED: Explanation(
        "a relay was there, and has not queued the request in time, so nothing was shown, or no"
        " code was typed",
        "bartizan-agent why says what each relay did: one that refuses by quota has been asked too"
        " often, so see in the log who begins so many sign-ons",
        ("expired", *_TAKEN_BACK),
    ),
    SignOnEnd.NOT_SHOWN: Explanation(
        "the service cannot show a passcode, or the configuration says so; or the program answered"
        " the prompt by the user's name, as those do that show none",
        "set services.NAME.display: to silent for a program that asks for a password, to prompt or"
        " info for one that can show text; or take the module out of that service",
        _NOT_THERE,
    ),
    SignOnEnd.CONVERSATION_FAILED: Explanation(
        "the program could not show what it was given: its PAM conversation failed",
        "set services.NAME.display to another value: silent, for a program that only asks for a"
        " password; see pam_bartizan(8) about sshd's method",
        ("expired", "done", *_TAKEN_BACK),
    ),
    SignOnEnd.NOT_ALLOWED: Explanation(
        "the process that asked may not ask for this user",
        "if it should: name its user and the service under [callers]",
        _NOT_THERE,
    ),
    SignOnEnd.TOO_MANY: Explanation(
        "too many sign-ons wait, in all, for this account or at services that show nothing; or many"
        " of this account were begun just now and left",
        "if nobody did so on purpose: see which program repeats its attempts",
        _NOT_THERE,
    ),
    SignOnEnd.STORE_FAILED: Explanation(
        "the agent's store could not be read or written, so nobody was let in",
        "bartizan-agent status and the log say why; often the disk is full",
        _ENDED_THERE,
    ),
    SignOnEnd.STOPPED: Explanation(
        "the agent was stopped, or had a fault",
        "have the user try again; if nobody stopped it, see the log",
        ("agent-gone", "done", *_TAKEN_BACK),
    ),
}

ENROLMENTS: Final[Mapping[str, Explanation]] = {
    ENROLLED: Explanation("a device was enrolled", "nothing", _ENDED_THERE),
    CANCELLED: Explanation(
        "the command ended before a device had come; its code is void",
        "run bartizan-agent enroll again",
        ("expired", "done", *_TAKEN_BACK),
    ),
    EnrolmentFailure.UNAVAILABLE: Explanation(
        "no relay has queued the offer in time",
        "bartizan-agent status: see why no relay is up, or why it refuses",
        ("expired", *_TAKEN_BACK),
    ),
    EnrolmentFailure.EXPIRED: Explanation(
        "no device came with the code while it was valid",
        "see that the device reaches the relay, and run bartizan-agent enroll again",
        ("expired", "rejected-too-often", *_TAKEN_BACK),
    ),
    EnrolmentFailure.NOT_PROVED: Explanation(
        "a device came with the code and did not prove its key in time; it is not enrolled",
        "run bartizan-agent enroll again",
        ("stalled", "lifetime", "expired", *_ENDED_THERE),
    ),
    EnrolmentFailure.TOO_MANY_DEVICES: Explanation(
        "the account has as many devices as a sign-on can ask",
        "revoke one, then enrol",
        _ENDED_THERE,
    ),
    EnrolmentFailure.STORE: Explanation(
        "the agent's store could not be written, so no device was enrolled",
        "bartizan-agent status and the log say why; often the disk is full",
        _ENDED_THERE,
    ),
}
