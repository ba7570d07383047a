"""edge. What `status` and `why` show to people. Times are local."""

from collections.abc import Iterator, Sequence
from typing import Final

from daemons.report import counted, span, trouble_lines, when
from pam_agent import conversation
from pam_agent.admin_wire import RelayStatus, Reply, Status, Unknown
from pam_agent.explanations import ENROLMENTS, SIGN_ONS, Explanation
from pam_agent.outcomes import SignOnEnd
from pam_agent.sign_ons import MAX_REMEMBERED, REMEMBERED_SECONDS, Kind, Stage, Story
from protocol.text import clean

_STAGES: Final = {
    Stage.QUEUEING: "no relay has queued it yet",
    Stage.WAITING: "it waits for a device",
    Stage.RUNNING: "a device has come, and is asked",
    Stage.FINISHING: "it is decided; the device's last message is waited for",
}
_STEPS: Final = {
    "queued": "queued at a relay",
    "shown": "passcode given to the program",
    "asked": "password asked for",
    "joined": "waits with another sign-on",
    "typed": "a code was typed",
    "judged": "the code was judged",
    "paired": "a device came with the passcode",
    "rejected": "a device was rejected: not the enrolled one, or not activated",
    "opened": "a device has shown that it holds its key, and is asked",
    "left": "a device was gone before it had decided",
    "came": "a device came with the code",
    "decided": "decision verified",
    "ended": "the program has its result",
    "confirmed": "the device has its next key",
}
"""Every step there is, of sign-ons and enrolments."""


def status_lines(replies: Sequence[Reply], now: float) -> Iterator[str]:
    """`now` in Unix seconds."""
    for reply in replies:
        match reply:
            case Status():
                yield from _status(reply, now)
            case RelayStatus():
                yield _relay(reply, now)
    yield from trouble_lines(replies)


def is_well(replies: Sequence[Reply]) -> bool:
    """Whether a sign-on could succeed: a relay is up, and the store answers."""
    stored = all(not reply.store_trouble for reply in replies if isinstance(reply, Status))
    return stored and any(reply.up for reply in replies if isinstance(reply, RelayStatus))


def _status(status: Status, now: float) -> Iterator[str]:
    yield (
        f"bartizan-agent {status.version} at {clean(status.host)},"
        f" up for {span(now - status.began)}"
    )
    if status.refused:
        yield f"configuration refused, the old one counts: {clean(status.refused)}"
    yield (
        f"sign-ons    {status.waiting + status.queueing} waiting, {status.running} running;"
        f" callers {status.callers}"
    )
    yield f"ended       {counted(status.sign_ons)}"
    if status.enrolments:
        yield f"enrolments  {counted(status.enrolments)}"
    if status.store_trouble:
        yield f"store       {clean(status.store_trouble)}"
    else:
        yield (
            f"store       {clean(status.store)}: {status.accounts} accounts, devices"
            f" {counted(status.devices)}; {status.store_bytes // 1024} KiB,"
            f" {'sealed' if status.sealed else 'not sealed'}"
        )
    if status.break_glass:
        yield f"break-glass {status.break_glass} open: `bartizan-agent breakglass` says whose"


def _relay(relay: RelayStatus, now: float) -> str:
    for_how_long = span(now - relay.since)
    if not relay.up:
        return f"relay       {relay.address}  DOWN for {for_how_long}: {clean(relay.trouble)}"
    lost = f", lost {relay.losses} times, last: {clean(relay.trouble)}" if relay.losses else ""
    return f"relay       {relay.address}  up for {for_how_long}, {relay.requests} requests{lost}"


def why_lines(sign_on_id: str, replies: Sequence[Reply]) -> Iterator[str]:
    """What is known of one sign-on or enrolment."""
    for reply in replies:
        match reply:
            case Story():
                yield from story_lines(reply)
            case Unknown():
                yield from unknown_lines(sign_on_id, reply)


def story_lines(story: Story) -> Iterator[str]:
    """What happened to one sign-on or enrolment."""
    known = _explanation(story)
    yield f"{story.kind} {story.sign_on_id}: {story.outcome or story.stage}"
    if known is None:
        yield f"  {_STAGES[Stage(story.stage)]}"
    else:
        yield f"  {known.meaning}"
    shown = _shown(story)
    if shown:
        yield f'  the user saw "{shown}"'
    if known is not None and known.advice != "nothing":
        yield f"  what to do: {known.advice}"
    for address, why in story.relays.items():
        yield f"  relay {clean(address)}: {clean(why)}"
    yield ""
    for name, value in _facts(story):
        yield f"  {name:<14}{clean(value)}"
    yield ""
    yield f"  {0:9.3f} s  began, {when(story.began)}"
    for step, at in story.steps.items():
        times = story.counts.get(step, 1)
        again = f" ({times} times)" if times > 1 else ""
        yield f"  {at:9.3f} s  {_STEPS.get(step, clean(step))}{again}"


def _explanation(story: Story) -> Explanation | None:
    if not story.outcome:
        return None
    if story.kind is Kind.ENROLMENT:
        return ENROLMENTS[story.outcome]
    return SIGN_ONS[SignOnEnd(story.outcome)]


def _shown(story: Story) -> str:
    if not story.outcome or story.kind is Kind.ENROLMENT:
        return ""
    return conversation.ENDINGS[SignOnEnd(story.outcome)]


def _facts(story: Story) -> Iterator[tuple[str, str]]:
    device = f"{story.device} {story.device_name}" if story.device >= 0 else story.device_name
    caller = f"uid {story.caller}" if story.caller >= 0 else ""
    facts = {
        "user": story.user,
        "service": story.service,
        "from": story.remote,
        "terminal": story.tty,
        "asked by": caller,
        "device": device,
        "waited with": story.joined,
        "relay": story.relay,
        "verdict": story.verdict,
        "reason given": story.reason,
    }
    yield from ((name, value) for name, value in facts.items() if value)


def unknown_lines(sign_on_id: str, unknown: Unknown) -> Iterator[str]:
    """What is known when nothing is known."""
    yield f"nothing is known of {sign_on_id}"
    yield (
        f"  This agent runs since {when(unknown.since)} and remembers {unknown.remembered} that"
        f" ended; at most {MAX_REMEMBERED:,}, and for {span(REMEMBERED_SECONDS)}."
    )
    yield "  Older ones are in its log, under the same id; other hosts' are at their agents."
