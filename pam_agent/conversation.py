"""pure. What a sign-on shows in the terminal of the host, to which service, and how it ends.

Plain text of at most 512 bytes (PAM_MAX_MSG_SIZE) without escape sequences: sshd and others pass
none on. What a stranger at the terminal reads is the same for an unknown user, for one without a
device and for one whose device nobody answered.
"""

from collections.abc import Mapping
from typing import Final

from pam_agent.offer_display import qr_lines
from pam_agent.outcomes import SignOnEnd
from protocol import passcode as passcodes
from protocol import sign_on_id as sign_on_ids
from protocol import sign_on_uri
from protocol.text import fit

MAX_QR_LINES: Final = 19
"""Lines of a QR code: with more, the text above it is gone from a terminal of 24."""

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
    SignOnEnd.CODE: "",
    SignOnEnd.TICKET: "",
    SignOnEnd.TOTP: "",
    SignOnEnd.LEASE: "",
    SignOnEnd.BREAK_GLASS: "",
    SignOnEnd.NOT_REQUIRED: "",
    SignOnEnd.WRONG_CODE: "the code is not right",
    SignOnEnd.REPLAYED: "the code is not right",
    SignOnEnd.THROTTLED: "the code is not right",
    SignOnEnd.CANCELLED: "",  # nobody is there to read it
    SignOnEnd.CONVERSATION_FAILED: "",  # no way to show it
    SignOnEnd.UNAVAILABLE: "no relay can be reached, try again later",
    SignOnEnd.NOT_QUEUED: "no relay has taken the sign-on, try again later",
    SignOnEnd.NOT_SHOWN: "this program cannot show a passcode",
    SignOnEnd.NOT_ALLOWED: "not allowed here",
    SignOnEnd.TOO_MANY: "too many sign-ons at once, try again later",
    SignOnEnd.STORE_FAILED: "out of order, ask the administrator",
    SignOnEnd.STOPPED: "interrupted, try again",
}


SILENT_PROMPT: Final = "Password: "
"""Where nothing can be shown; programs have a text of their own for it."""


def request_text(host: str, passcode: str, sign_on_id: bytes, seconds: float) -> str:
    """What the user needs on the device, valid for `seconds`; two lines, for Display.INFO."""
    label = fit(host, MAX_SHOWN_HOST)
    return (
        f"{_title(label, sign_on_id)}\n"
        f"On your device: host {label}, passcode {passcodes.display(passcode)} ({seconds:.0f} s)"
    )


def prompt_text(*, codes: bool) -> str:
    """What is to be done below it, for Display.PROMPT; with `codes`, one may be typed instead."""
    if codes:
        return "approve there, then press Enter; or type its code: "
    return "approve there, then press Enter: "


def respond_text(
    host: str, passcode: str, sign_on_id: bytes, seconds: float, *, tried: bool
) -> str:
    """The same for a code only, which needs no relay; `tried`: none could be reached."""
    label = fit(host, MAX_SHOWN_HOST)
    why = "No relay can be reached. " if tried else ""
    return (
        f"{_title(label, sign_on_id)}\n{why}On your device: respond to host {label}, passcode"
        f" {passcodes.display(passcode)} ({seconds:.0f} s)"
    )


def app_text(host: str, sign_on_id: bytes, *, tried: bool) -> str:
    """The same where only an authenticator app helps."""
    why = "\nNo relay can be reached." if tried else ""
    return f"{_title(fit(host, MAX_SHOWN_HOST), sign_on_id)}{why}"


CODE_PROMPT: Final = "type its code: "
"""Below what has to be typed into the device."""
APP_PROMPT: Final = "type the code of your authenticator app: "


def joined_text(host: str, sign_on_id: bytes, first: bytes) -> str:
    """For who waits with the sign-on `first`, whose passcode is shown elsewhere; two lines."""
    return (
        f"{_title(fit(host, MAX_SHOWN_HOST), sign_on_id)}\n"
        f"waits with {sign_on_ids.display(first)}, which is shown already"
    )


def qr_texts(host: str, passcode: str) -> tuple[str, ...]:
    """The same for a device's camera, a text for each line; none when it would be too high."""
    lines = qr_lines(sign_on_uri.encode(host, passcode))
    return tuple(lines) if len(lines) <= MAX_QR_LINES else ()


JOINED_PROMPT: Final = "approve that on your device, then press Enter: "


def _title(label: str, sign_on_id: bytes) -> str:
    return f"Bartizan sign-on {sign_on_ids.display(sign_on_id)} at {label}"


def ending_text(end: SignOnEnd, sign_on_id: bytes) -> str:
    """One line to end a sign-on with, empty when there is nothing to say."""
    text = ENDINGS[end]
    return f"Bartizan: {text} ({sign_on_ids.display(sign_on_id)})" if text else ""
