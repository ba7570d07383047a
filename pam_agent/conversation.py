"""pure. What a sign-on shows in the terminal of the host, to which service, and how it ends.

Plain text of at most 512 bytes (PAM_MAX_MSG_SIZE) without escape sequences: sshd and others pass
none on. What a stranger at the terminal reads is the same for an unknown user, for one without a
device and for one whose device nobody answered.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pam_agent.local_wire import Result
from protocol import passcode as passcodes
from protocol import sign_on_id as sign_on_ids
from protocol.text import fit

MAX_SHOWN_HOST: Final = 64
"""UTF-8 bytes of the host's label on a terminal: a line of 80 columns, and it stands twice."""


class Display(StrEnum):
    """How a service can show a passcode before the sign-on is decided."""

    PROMPT = "prompt"
    """Inside the text of a prompt with echo: shown at once wherever anything is."""
    INFO = "info"
    """As text, without waiting for a key."""
    REFUSE = "refuse"
    """Not at all: nothing that the agent says reaches the user in time."""


DEFAULT_DISPLAY: Final[Mapping[str, Display]] = {
    "sshd": Display.PROMPT,  # holds text back until the next prompt, up to OpenSSH 10.2
    "sudo": Display.INFO,
    "sudo-i": Display.INFO,
    "su": Display.INFO,
    "su-l": Display.INFO,
    "login": Display.INFO,
    "postgresql": Display.REFUSE,  # drops text, and a prompt with echo fails the login
    "dovecot": Display.REFUSE,  # drops text, and answers a prompt with echo by the user's name
}
"""By PAM service name, as seen with these programs."""


class Outcome(StrEnum):
    """How a sign-on ended, for the agent; the word is the log's."""

    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    """Nobody decided in time; for unknown users and disabled devices, too."""
    UNAVAILABLE = "unavailable"
    """No relay could queue the request."""
    CANCELLED = "cancelled"
    """The caller is gone, or an administrator revoked the device."""
    NOT_ALLOWED = "not-allowed"
    """The caller may not ask for this user with this service."""
    CANNOT_SHOW = "cannot-show"
    """The service can show no passcode, or its conversation failed."""
    BUSY = "busy"
    """Too many sign-ons wait, in all or for this account."""
    FAILED = "failed"
    """The agent cannot do its work: its store failed."""


RESULTS: Final[Mapping[Outcome, Result]] = {
    Outcome.APPROVED: Result.APPROVED,
    Outcome.DENIED: Result.DENIED,
    Outcome.EXPIRED: Result.DENIED,
    Outcome.UNAVAILABLE: Result.UNAVAILABLE,
    Outcome.CANCELLED: Result.DENIED,
    Outcome.NOT_ALLOWED: Result.DENIED,
    Outcome.CANNOT_SHOW: Result.CONVERSATION_FAILED,
    # Not UNAVAILABLE, which a stack may be told to ignore: anybody can cause it by asking often.
    Outcome.BUSY: Result.DENIED,
    Outcome.FAILED: Result.FAILED,
}
"""What the PAM module is told."""

_ENDINGS: Final[Mapping[Outcome, str]] = {
    Outcome.APPROVED: "",  # success speaks for itself, and `su -c` would print it as output
    Outcome.DENIED: "denied on the device",
    Outcome.EXPIRED: "not approved in time",
    Outcome.UNAVAILABLE: "no relay can be reached, try again later",
    Outcome.CANCELLED: "cancelled",
    Outcome.NOT_ALLOWED: "not allowed here",
    Outcome.CANNOT_SHOW: "this program cannot show a passcode",
    Outcome.BUSY: "too many sign-ons at once, try again later",
    Outcome.FAILED: "out of order, ask the administrator",
}


def display_for(service: str, configured: Mapping[str, Display]) -> Display:
    """How to show something to a PAM service; a prompt is what most unknown ones can show."""
    return configured.get(service) or DEFAULT_DISPLAY.get(service, Display.PROMPT)


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


def ending_text(outcome: Outcome, sign_on_id: bytes) -> str:
    """One line to end a sign-on with, empty when there is nothing to say."""
    text = _ENDINGS[outcome]
    return f"Bartizan: {text} ({sign_on_ids.display(sign_on_id)})" if text else ""
