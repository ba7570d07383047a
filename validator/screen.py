"""pure. What the user sees before deciding: who is signing on where.

Every text of a host passes `layout`, which cleans it. The host's label and the user are those of
the enrolment; what the host calls itself is shown only when it differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from protocol import sign_on_id as sign_on_ids
from protocol.keys import Mode
from protocol.signon_messages import Context, Role, Verdict
from protocol.text import clean
from validator import times
from validator.layout import Line, Tone, field, paragraph
from validator.record import Record, State


@dataclass(frozen=True)
class View:
    """The circumstances of looking: the width in columns, the time in Unix seconds, the zone."""

    width: int
    now: float
    zone: tzinfo | None = None


def differs(context: Context, record: Record) -> bool:
    """Whether the host calls itself, or the user, otherwise than when the device was enrolled."""
    return (context.host, context.user) != (record.host, record.user)


def context_lines(context: Context, record: Record, view: View) -> list[Line]:
    """The whole context of a sign-on; of an enrolment's proof, what there is of it."""
    width = view.width
    lines = [
        *field("User", record.user, width),
        *field("Host", record.host, width),
        *field("Service", context.service, width),
        *field("From address", context.remote_address, width),
        *field("Claimed name", context.remote_name, width),
        *field("Terminal", context.tty, width),
        *field("Time at host", times.moment(context.agent_time, view.zone), width),
        *field("First factor", context.first_factor, width),
        *field("Note", context.note, width),
        *_asked_as(context, width),
        *field("Last sign-on", _last_success(context, view), width),
        *_failures(context, width),
        *field("Sign-on id", sign_on_ids.display(context.sign_on_id), width),
    ]
    what = "Sign-on"
    if context.mode is Mode.PROOF:
        what = "Enrolment"
        lines = [line for line in lines if line.tone is not Tone.QUIET]
    return [
        Line(),
        *paragraph(f"{what} at {record.host}", width, Tone.HEADING),
        Line(),
        *_differences(context, record, width),
        *_alert(context, width),
        *lines,
        Line(),
        *paragraph(f"Seconds left to decide: {context.seconds_left}", width),
        Line(),
    ]


def _differences(context: Context, record: Record, width: int) -> list[Line]:
    lines: list[Line] = []
    for what, enrolled, claimed in (
        ("host calls itself", record.host, context.host),
        ("host says the user is", record.user, context.user),
    ):
        if enrolled != claimed:
            lines += paragraph(
                f"WARNING: this {what} '{claimed}'. You enrolled '{enrolled}'. "
                "If you do not know why, deny.",
                width,
                Tone.WARNING,
            )
    return [*lines, Line()] if lines else []


def _alert(context: Context, width: int) -> list[Line]:
    """What the owner of the device is to know, whatever this sign-on is about."""
    if not clean(context.alert).strip():
        return []
    return [*paragraph(f"NOTICE of the host: {context.alert}", width, Tone.WARNING), Line()]


def _asked_as(context: Context, width: int) -> list[Line]:
    if context.role is Role.OWNER:
        return []
    return field("You are asked", "as the approver of somebody else's sign-on", width, Tone.WARNING)


def _last_success(context: Context, view: View) -> str:
    if not context.last_success:
        return "never"
    when = times.moment(context.last_success, view.zone)
    return f"{when} ({times.age(context.last_success, view.now)})"


def _failures(context: Context, width: int) -> list[Line]:
    tone = Tone.WARNING if context.failures else Tone.PLAIN
    return field("Failures since", str(context.failures), width, tone)


def enrolment_lines(record: Record, digits: str, width: int) -> list[Line]:
    """What to compare before a device is enrolled."""
    question = (
        f"Enrol this device for {record.user} at {record.host}? "
        f"The host shows the same 6 digits: {digits}"
    )
    return paragraph(question, width, Tone.HEADING)


DECISION_QUESTION = "[a] approve   [d] deny   [r] deny and report   (Enter denies) "
TELLING: Final = {
    Verdict.APPROVE: "Approving ...",
    Verdict.DENY: "Denying ...",
    Verdict.REPORT: "Denying and reporting ...",
}
ENROLMENT_QUESTION = "[y] yes, enrol   [n] no   (Enter means no) "


def hosts_lines(records: Sequence[Record], view: View) -> list[Line]:
    """The enrolments, one block each."""
    if not records:
        return [Line("No host is enrolled on this device.")]
    lines: list[Line] = []
    for record in records:
        used = times.moment(record.last_used, view.zone) if record.last_used else "never"
        lines += [
            *paragraph(f"{record.host} ({record.user})", view.width, Tone.HEADING),
            *field("This device", record.device, view.width),
            *field("Enrolled", times.moment(record.enrolled_at, view.zone), view.width),
            *field("Last used", used, view.width),
            *field("Generation", str(record.generation.number), view.width),
            *field("PIN", "asked for" if record.under_pin else "none", view.width),
            *field("State", _STATES[record.state], view.width, _state_tone(record.state)),
        ]
    return lines


_STATES: Final = {
    State.ACTIVE: "active",
    State.UNPROVED: "not proved: the enrolment was broken off",
    State.DISABLED: "disabled: the host refuses this device",
}


def _state_tone(state: State) -> Tone:
    return Tone.PLAIN if state is State.ACTIVE else Tone.WARNING


def choice_lines(records: Sequence[Record]) -> list[Line]:
    """The menu of hosts, numbered from 1."""
    return [
        Line(clean(f"  {number}  {record.host} ({record.user})"))
        for number, record in enumerate(records, start=1)
    ]
