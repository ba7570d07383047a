"""edge. What `status` and `why` show to people. Times are local."""

from collections.abc import Iterator, Sequence

from daemons.report import counted, span, trouble_lines, when
from protocol.text import clean
from relay.admin_wire import AgentLine, Ended, Listening, Penalty, Reply, Status, Unknown, Waiting
from relay.explanations import REQUESTS
from relay.tally import MAX_REMEMBERED


def status_lines(replies: Sequence[Reply], now: float) -> Iterator[str]:
    """`now` in Unix seconds."""
    for reply in replies:
        match reply:
            case Status():
                yield from _status(reply, now)
            case Listening():
                behind = ", by proxies only" if reply.by_proxy else ""
                yield f"listens     {reply.address}  for {reply.who}{behind}"
            case AgentLine():
                yield (
                    f"agent       {clean(reply.agent)}  from {reply.source}, up for"
                    f" {span(now - reply.since)}; {reply.waiting} waiting, {reply.running} running"
                )
            case Penalty():
                yield f"penalty     {reply.network}  {reply.sources} sources"
    yield from trouble_lines(replies)


def _status(status: Status, now: float) -> Iterator[str]:
    draining = ", DRAINING" if status.draining else ""
    yield f"bartizan-relay {status.version}, up for {span(now - status.began)}{draining}"
    yield f"requests    {status.waiting} waiting, {status.running} running"
    yield f"ended       {counted(status.requests_ended)}"
    yield f"validators  {status.incomplete} incomplete, {status.held} held"
    yield f"ended       {counted(status.validators_ended)}"
    yield (
        f"links       {status.links} attached, {status.setting_up} being set up;"
        f" {status.keys} keys known"
    )
    yield f"ended       {counted(status.links_ended)}"
    crowd = "; A CROWD: who owes anything is refused" if status.crowd else ""
    yield f"refused     {status.sources} sources, {status.networks} networks{crowd}"
    if status.refused:
        yield f"configuration refused, the old one counts: {clean(status.refused)}"
    if status.no_descriptor:
        yield f"descriptors {status.no_descriptor} times none was left: raise LimitNOFILE="
    if status.lowered:
        lowered = ", ".join(f"{name} to {limit}" for name, limit in status.lowered.items())
        yield f"lowered     {lowered}: too few open files allowed, raise LimitNOFILE="


def is_well(replies: Sequence[Reply]) -> bool:
    """Whether a sign-on could succeed: it takes requests, and an agent is there."""
    return any(
        not reply.draining and reply.links > 0 for reply in replies if isinstance(reply, Status)
    )


def story_lines(sign_on_id: str, replies: Sequence[Reply]) -> Iterator[str]:
    """What is known of one sign-on."""
    for reply in replies:
        match reply:
            case Ended():
                yield from _ended(reply)
            case Waiting():
                paired = reply.ran >= 0
                state = "runs" if paired else "waits"
                yield f"request {sign_on_id} of {clean(reply.agent)}: {state}"
                yield f"  it waited for {reply.waited:.3f} s"
                if paired:
                    yield f"  a device came {reply.ran:.3f} s ago"
                yield from _rejected(reply.rejects)
            case Unknown():
                yield from _unknown(sign_on_id, reply)


def _ended(ended: Ended) -> Iterator[str]:
    known = REQUESTS[ended.outcome]
    yield f"request {ended.sign_on_id} of {clean(ended.agent)}: {ended.outcome.value}"
    yield f"  {known.meaning}"
    yield f"  what to do: {known.advice}"
    says = ", ".join(known.agent) or "what came of it when it was queued again"
    yield f"  the agent says: {says}"
    yield ""
    yield f"  ended         {when(ended.at)}"
    yield f"  waited        {ended.waited:.3f} s"
    if ended.source:
        yield f"  ran           {ended.ran:.3f} s, with a device from {ended.source}"
        yield f"  frames        {ended.frames_in} from the device, {ended.frames_out} to it"
    yield from _rejected(ended.rejects)


def _rejected(rejects: int) -> Iterator[str]:
    if rejects:
        yield f"  the agent rejected {rejects} devices: a wrong passcode, or not the enrolled one"


def _unknown(sign_on_id: str, unknown: Unknown) -> Iterator[str]:
    yield f"nothing is known of {sign_on_id}"
    forgotten = f", and has forgotten {unknown.forgotten:,}" if unknown.forgotten else ""
    yield (
        f"  This relay runs since {when(unknown.since)} and remembers {unknown.remembered:,} that"
        f" ended, at most {MAX_REMEMBERED:,}{forgotten}."
    )
    yield "  Older ones are in its log, under the same id; others were at another relay or at none."
