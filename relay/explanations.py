"""pure. What each end of a request means to an operator, and what to do about it.

For `bartizan-relay why` and docs/outcomes.md, by the words of the log. A relay is blind: what was
decided only the agent knows, so the answer says what the agent may say of the same sign-on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.outcomes import RequestOutcome


@dataclass(frozen=True)
class Explanation:
    """`agent` are the words that the agent may have for the same sign-on (`bartizan-agent why`).
    Nothing there: any, since the agent queues it again while there is time, and that request's end
    is the one that counts."""

    meaning: str
    advice: str
    agent: tuple[str, ...] = ()


_ASK_THE_AGENT: Final = "bartizan-agent why, on that host, tells what was decided"

_DECIDED: Final = (
    "approved",
    "denied",
    "reported",
    "overtaken",
    "disabled",
    "store-failed",
)
"""The agent's own affair: a device came, and it had its word."""
_TYPED: Final = ("code", "totp", "replayed", "throttled", "wrong-code")
"""The agent had something typed at the host instead, and no longer waits for the device."""
_GIVEN_UP: Final = (
    "cancelled",
    "conversation-failed",
    "revoked",
    "stopped",
    "undecided",
)
"""The agent had a reason to end it early, or had to."""

REQUESTS: Final[Mapping[RequestOutcome, Explanation]] = {
    RequestOutcome.DONE: Explanation(
        "a device came, and the agent closed the request when the sign-on was over",
        _ASK_THE_AGENT,
        (*_DECIDED, *_GIVEN_UP),
    ),
    RequestOutcome.WITHDRAWN: Explanation(
        "the agent took it back: the user gave up, another relay was first, or its time was over",
        _ASK_THE_AGENT,
        (*_DECIDED, *_TYPED, *_GIVEN_UP, "expired", "unavailable", "not-queued"),
    ),
    RequestOutcome.EXPIRED: Explanation(
        "no device came with its passcode in time, or none that the agent took",
        "see that the device reaches this relay, at the address in its enrolment",
        ("expired", "cancelled", "conversation-failed", "unavailable", "not-queued"),
    ),
    RequestOutcome.REPLACED: Explanation(
        "the agent queued the same sign-on again, after a link that was lost",
        "see why links are lost (bartizan-relay status, the log's `link ended`)",
    ),
    RequestOutcome.REJECTED_TOO_OFTEN: Explanation(
        "the agent rejected more devices than a request may see: somebody tries tags or devices",
        "look in the log from which networks; see that the user's device is the enrolled one",
        ("expired",),
    ),
    RequestOutcome.STALLED: Explanation(
        "a device came, and then neither side sent anything for limits.stall seconds",
        "have the user try again; if it happens often, the network between drops connections",
        ("undecided",),
    ),
    RequestOutcome.LIFETIME: Explanation(
        "a device came, and the sign-on was not over after limits.lifetime seconds",
        "limits.lifetime must be above the agents' timers.sign_on",
        ("undecided",),
    ),
    RequestOutcome.FRAMES: Explanation(
        "one side sent more frames or bytes than a sign-on has: it is no program of ours",
        "find out what runs on the device, or on the host",
    ),
    RequestOutcome.MALFORMED: Explanation(
        "the device sent something that is no frame: it is no program of ours, or something"
        " between changes what is sent",
        "find out what runs on the device, and what is on the way",
    ),
    RequestOutcome.NOT_READING: Explanation(
        "the device did not take what was sent to it for limits.send_timeout seconds",
        "have the user try again, with a better network on the device",
    ),
    RequestOutcome.VALIDATOR_GONE: Explanation(
        "the device closed its connection, or its network did: that is how most sign-ons end, and"
        " early it is a lost network",
        _ASK_THE_AGENT,
        (*_DECIDED, *_TYPED, *_GIVEN_UP, "expired", "unavailable", "not-queued"),
    ),
    RequestOutcome.AGENT_GONE: Explanation(
        "the agent's link ended; it attaches again by itself, and queues what still waits",
        "the log's `link ended` of that agent says why; see that its host and network are up",
        (*_DECIDED, *_TYPED, *_GIVEN_UP, "expired", "unavailable", "not-queued"),
    ),
    RequestOutcome.DRAINED: Explanation(
        "this relay stopped; the agent uses another one, or this one when it is back",
        "have the user try again if nobody was let in",
        (*_DECIDED, *_TYPED, *_GIVEN_UP, "expired", "unavailable", "not-queued"),
    ),
}
