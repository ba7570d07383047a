"""pure. What the user is told at the end of a sign-on: one text for every outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.text import clean
from validator.layout import Line, Tone, paragraph
from validator.limits import FIRST_PAUSE_PIN, FIRST_PAUSE_SECONDS, PIN_TRIES
from validator.outcomes import Outcome


@dataclass(frozen=True)
class Ending:
    """An outcome and what goes with it. `said` is the text of RECEIPT."""

    outcome: Outcome
    host: str
    user: str
    said: str = ""
    unreachable: tuple[str, ...] = ()
    """Relays that did not answer, as `host:port`."""
    cut_at_once: bool = False
    """A relay cut the connection too soon for a rejection."""
    not_stored: str = ""
    """Why the next key could not be stored."""
    under_pin: bool = False
    """Whether a PIN was typed, which only the host can tell to be right."""


Text = tuple[Tone, tuple[str, ...]]
"""How the first line sounds, and the paragraphs."""


def _signed_on(_: Ending) -> Text:
    return Tone.GOOD, ("Signed on.",)


def _denied(_: Ending) -> Text:
    return Tone.PLAIN, ("Denied. The host let nobody in.",)


def _reported(_: Ending) -> Text:
    return Tone.PLAIN, ("Denied and reported. The host let nobody in.",)


def _refused(end: Ending) -> Text:
    return Tone.WARNING, (f"Not signed on: {end.host} refused, although you approved.",)


def _awaiting(_: Ending) -> Text:
    return Tone.PLAIN, ("Not signed on yet: a second person has to approve too.",)


def _too_late(_: Ending) -> Text:
    return Tone.WARNING, (
        "Not signed on: the decision came too late. Ask the host for a new passcode.",
    )


def _contradicted(end: Ending) -> Text:
    return Tone.WARNING, (
        f"You denied, and {end.host} says that it let the sign-on pass.",
        f"Tell the administrator of {end.host} now: that host does not do as it should.",
    )


def _no_such_sign_on(end: Ending) -> Text:
    if end.under_pin:
        return _no_such_sign_on_or_wrong_pin(end)
    return Tone.WARNING, (
        f"No such sign-on at {end.host}: if a screen showed you this code, "
        "that screen may be fake.",
        "A code is also void once it was used or replaced, or when its time is over: look at the "
        "screen again, and at the choice of the host.",
        "If this key store was restored from a backup, its keys are void: ask the administrator of "
        f"{end.host} for a new enrolment.",
    )


def _no_such_sign_on_or_wrong_pin(end: Ending) -> Text:
    return Tone.WARNING, (
        f"No such sign-on at {end.host}, or the PIN was wrong: only the host can tell, and it says "
        "neither.",
        "If you are sure of the PIN: a screen that showed you this code may be fake. A code is "
        "also void once it was used or replaced, or when its time is over: look at the screen "
        "again, and at the choice of the host.",
        f"If not: {end.host} counts wrong PINs. {PIN_TRIES} in a row disable this device there; "
        f"from number {FIRST_PAUSE_PIN} on each is followed by a pause without any answer, "
        f"{FIRST_PAUSE_SECONDS:g} s at first and then twice as long each time. A sign-on that "
        "succeeds sets the count back.",
        "If the PIN is right and this goes on, the device may be disabled already, or this key "
        f"store was restored from a backup: have the administrator of {end.host} remove the device "
        "there and make a new enrolment, then run: bartizan enroll --pin",
    )


def _unreachable(end: Ending) -> Text:
    return Tone.WARNING, (
        f"No relay of {end.host} could be reached. Nothing is known about the sign-on.",
        "Check this device's network and try again; the passcode stays valid for its time.",
    )


def _not_genuine(end: Ending) -> Text:
    return Tone.WARNING, (
        f"What answered is not {end.host}: it does not hold the host's key. Nothing was sent.",
        "The relay, or somebody on the way to it, changes what it carries: tell the administrator.",
    )


def _undecided(_: Ending) -> Text:
    return Tone.PLAIN, (
        "The sign-on ended before a decision was sent: it was given up here or at the host, "
        "or its time was over. Nothing was approved.",
        "While the host still waits, the same passcode brings it back.",
    )


def _unknown(end: Ending) -> Text:
    return Tone.WARNING, (
        f"The outcome is unknown: the connection broke before {end.host} confirmed the decision.",
        "Look at the host. This device keeps its present key, and its next sign-on works as usual.",
    )


def _disabled(end: Ending) -> Text:
    return Tone.WARNING, (
        f"{end.host} has disabled this device for {end.user}, and nobody was let in.",
        "Unless the administrator has just removed it, there are two copies of its keys: somebody "
        "else has one, or this key store is an old copy (restored from a backup, or moved from "
        "another machine).",
        f"1. If you did not copy or restore it yourself, tell the administrator of {end.host} now: "
        "the keys of this device may be stolen.",
        f"2. Have the administrator remove this device of {end.user} and make a new enrolment.",
        "3. Then run: bartizan enroll",
    )


_TEXTS: Final[dict[Outcome, Callable[[Ending], Text]]] = {
    Outcome.SIGNED_ON: _signed_on,
    Outcome.DENIED: _denied,
    Outcome.REPORTED: _reported,
    Outcome.REFUSED: _refused,
    Outcome.AWAITING_APPROVER: _awaiting,
    Outcome.TOO_LATE: _too_late,
    Outcome.CONTRADICTED: _contradicted,
    Outcome.NO_SUCH_SIGN_ON: _no_such_sign_on,
    Outcome.UNREACHABLE: _unreachable,
    Outcome.NOT_GENUINE: _not_genuine,
    Outcome.UNDECIDED: _undecided,
    Outcome.UNKNOWN: _unknown,
    Outcome.DISABLED: _disabled,
}


def ending_lines(end: Ending, width: int) -> list[Line]:
    """The text of a sign-on's end, and what is to be known beside it."""
    tone, (first, *rest) = _TEXTS[end.outcome](end)
    lines = paragraph(first, width, tone)
    for text in (*rest, *remarks(end)):
        lines += paragraph(text, width)
    return lines


def remarks(end: Ending) -> list[str]:
    """What is to be known beside the outcome."""
    found: list[str] = []
    if clean(end.said).strip():
        found.append(f"{end.host} says: {end.said}")
    if end.cut_at_once:
        found.append(
            "A relay cut the connection at once: it may be restarting, or limiting the attempts "
            "from this network. Wait a minute before you believe the above."
        )
    if end.unreachable:
        found.append(f"Not reached: {', '.join(end.unreachable)}.")
    if end.not_stored:
        found.append(
            f"The next key could not be stored: {end.not_stored.rstrip('.')}. Where the enrolment "
            "is still there it keeps its present key, which still works: make room before the next "
            "sign-on."
        )
    return found
