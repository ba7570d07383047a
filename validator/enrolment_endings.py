"""pure. What the user is told at the end of an enrolment: one text for every outcome."""

from collections.abc import Callable
from typing import Final

from validator.endings import Ending, Text, remarks
from validator.layout import Line, Tone, paragraph
from validator.outcomes import Outcome

_ANEW: Final = "Ask the host for a new enrolment code, and run: bartizan enroll"

_NO_OFFER: Final[dict[Outcome, tuple[str, ...]]] = {
    Outcome.NO_SUCH_SIGN_ON: (
        "Not enrolled: the host does not have this offer. It was used, or withdrawn, "
        "or its time is over.",
        _ANEW,
    ),
    Outcome.UNREACHABLE: (
        "Not enrolled: no relay of the host could be reached.",
        "Check this device's network and try again while the code is valid.",
    ),
    Outcome.NOT_GENUINE: (
        "Not enrolled: what answered does not hold the key of the code.",
        "The relay, or somebody on the way to it, changes what it carries: tell the administrator.",
    ),
}


def no_offer_lines(end: Ending, width: int) -> list[Line]:
    """The end before E2."""
    first, *rest = _NO_OFFER[end.outcome]
    lines = paragraph(first, width, Tone.WARNING)
    for text in (*rest, *remarks(end)):
        lines += paragraph(text, width)
    return lines


def _refused(end: Ending) -> Text:
    return Tone.WARNING, (f"Not enrolled: {end.host} did not accept this device.", _ANEW)


def _not_confirmed(_: Ending) -> Text:
    return Tone.PLAIN, ("Not enrolled: you did not confirm it.",)


_TEXTS: Final[dict[Outcome, Callable[[Ending], Text]]] = {
    Outcome.SIGNED_ON: lambda end: (
        Tone.GOOD,
        (f"Enrolled: this device can sign {end.user} on at {end.host}.",),
    ),
    Outcome.DENIED: _not_confirmed,
    Outcome.REPORTED: _not_confirmed,
    Outcome.REFUSED: _refused,
    Outcome.AWAITING_APPROVER: _refused,
    Outcome.TOO_LATE: _refused,
    Outcome.DISABLED: _refused,
    Outcome.CONTRADICTED: lambda end: (
        Tone.WARNING,
        (
            f"You did not confirm, and {end.host} says that it enrolled this device.",
            f"Tell the administrator of {end.host} now to remove it.",
        ),
    ),
    Outcome.NO_SUCH_SIGN_ON: lambda end: (
        Tone.WARNING,
        (f"Not enrolled: {end.host} did not ask for the proof in time.", _ANEW),
    ),
    Outcome.UNREACHABLE: lambda end: (
        Tone.WARNING,
        (f"Not enrolled: the relays of {end.host} were lost half-way.", _ANEW),
    ),
    Outcome.NOT_GENUINE: lambda end: (
        Tone.WARNING,
        (f"Not enrolled: what answered is not {end.host}.", _ANEW),
    ),
    Outcome.UNDECIDED: lambda _: (
        Tone.PLAIN,
        ("Not enrolled: it was given up, here or at the host, before you confirmed.", _ANEW),
    ),
    Outcome.UNKNOWN: lambda end: (
        Tone.WARNING,
        (
            "The outcome is unknown: the connection broke before "
            f"{end.host} confirmed the enrolment.",
            "Look at the host. If it has enrolled this device, sign on as usual; "
            "if not, run bartizan forget and ask for a new enrolment code.",
        ),
    ),
}
"""Where nothing else is said, the device has forgotten the enrolment."""


def enrolment_ending_lines(end: Ending, width: int) -> list[Line]:
    """The end after E2."""
    tone, (first, *rest) = _TEXTS[end.outcome](end)
    lines = paragraph(first, width, tone)
    for text in (*rest, *remarks(end)):
        lines += paragraph(text, width)
    return lines


def all_offers_lines(offers: int, missing: list[str], width: int) -> list[Line]:
    """The end of several enrolments; `missing` are the hosts that did not enrol this device."""
    if not missing:
        return paragraph(f"Enrolled at all {offers} hosts.", width, Tone.GOOD)
    text = (
        f"Enrolled at {offers - len(missing)} of {offers} hosts. Not at: {', '.join(missing)}. "
        "Codes that were not used can be given again while they are valid; else ask for new ones."
    )
    return paragraph(text, width, Tone.WARNING)
