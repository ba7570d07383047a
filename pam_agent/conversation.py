"""pure. What a sign-on shows in the terminal of the host, to which service, and how it ends.

Plain text of at most 512 bytes (PAM_MAX_MSG_SIZE) without escape sequences: sshd and others pass
none on. What a stranger at the terminal reads is the same for an unknown user, for one without a
device and for one whose device nobody answered.
"""

from collections.abc import Mapping
from typing import Final

from pam_agent.outcomes import SignOnEnd
from protocol import passcode as passcodes
from protocol import sign_on_id as sign_on_ids
from protocol.text import fit

MAX_SHOWN_HOST: Final = 64
"""UTF-8 bytes of the host's label on a terminal: a line of 80 columns, and it stands twice."""


ENDINGS: Final[Mapping[SignOnEnd, str]] = {
    SignOnEnd.APPROVED: "",  # success speaks for itself, and `su -c` would print it as output
    SignOnEnd.DENIED: "denied on the device",
    SignOnEnd.REPORTED: "denied on the device",
    SignOnEnd.EXPIRED: "not approved in time",
    SignOnEnd.UNDECIDED: "not approved in time",
    SignOnEnd.OVERTAKEN: "not approved",
    SignOnEnd.DISABLED: "not approved",
    SignOnEnd.REVOKED: "not approved",
    SignOnEnd.CANCELLED: "",  # nobody is there to read it
    SignOnEnd.CONVERSATION_FAILED: "",  # no way to show it
    SignOnEnd.UNAVAILABLE: "no relay can be reached, try again later",
    SignOnEnd.NOT_SHOWN: "this program cannot show a passcode",
    SignOnEnd.NOT_ALLOWED: "not allowed here",
    SignOnEnd.TOO_MANY: "too many sign-ons at once, try again later",
    SignOnEnd.STORE_FAILED: "out of order, ask the administrator",
    SignOnEnd.STOPPED: "interrupted, try again",
}


def request_text(host: str, passcode: str, sign_on_id: bytes, seconds: float) -> str:
    """What the user needs on the device, valid for `seconds`; two lines, for Display.INFO."""
    label = fit(host, MAX_SHOWN_HOST)
    return (
        f"Bartizan sign-on {sign_on_ids.display(sign_on_id)} at {label}\n"
        f"On your device: host {label}, passcode {passcodes.display(passcode)} ({seconds:.0f} s)"
    )


def prompt_text(host: str, passcode: str, sign_on_id: bytes, seconds: float) -> str:
    """The same as a prompt of three lines, for Display.PROMPT."""
    return f"{request_text(host, passcode, sign_on_id, seconds)}\napprove there, then press Enter: "


def ending_text(end: SignOnEnd, sign_on_id: bytes) -> str:
    """One line to end a sign-on with, empty when there is nothing to say."""
    text = ENDINGS[end]
    return f"Bartizan: {text} ({sign_on_ids.display(sign_on_id)})" if text else ""
