"""pure. The user's decision about one sign-on, and how it was come by."""

from dataclasses import dataclass

from protocol.signon_messages import UserVerification, Verdict


@dataclass(frozen=True)
class Choice:
    """`reason` goes to the host's administrator."""

    verdict: Verdict
    reason: str = ""
    verified: UserVerification = UserVerification.PRESENCE
    """A key pressed is presence; an option given by a script is none."""
