"""shell. What is told of a sign-on: its story for `bartizan-agent why`, and its line of the log."""

from collections.abc import Mapping
from typing import Final

import structlog

from pam_agent.call import Call
from pam_agent.outcomes import SignOnEnd
from pam_agent.session import Session
from pam_agent.sign_ons import Kind, Stage, Story
from protocol import sign_on_id
from protocol.signon_messages import Verdict
from protocol.text import clean

_ALARMING: Final = (SignOnEnd.DISABLED, SignOnEnd.BREAK_GLASS)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def story_of(
    call: Call,
    end: SignOnEnd | None,
    stage: Stage,
    session: Session | None,
    relays: Mapping[str, str],
) -> Story:
    """`end` is None while it goes on; `relays` say why they have not helped."""
    start, device = call.start, call.device if session is None else session.device
    return Story(
        Kind.SIGN_ON,
        call.short_id,
        outcome="" if end is None else end.value,
        stage=stage.value,
        user=clean(start.user),
        began=_began(call),
        steps=dict(call.steps.at),
        counts=dict(call.steps.count),
        service=clean(start.service),
        remote=clean(start.rhost),
        tty=clean(start.tty),
        caller=call.caller.uid,
        device=-1 if device is None else device.id,
        device_name="" if device is None else clean(device.name),
        relay="" if session is None else str(session.handle.link.address),
        verdict=_verdict(session),
        reason="" if session is None else clean(session.reason),
        joined=_joined(call),
        relays=relays,
    )


def report(call: Call, end: SignOnEnd, session: Session | None) -> None:
    """The canonical line of a sign-on. Steps in seconds from its start.

    A warning when a user reported it, even too late, when a disabled device was used, and when
    break-glass let somebody in.
    """
    start, device = call.start, call.device if session is None else session.device
    reported = session is not None and session.verdict is Verdict.REPORT
    say = _log.warning if reported or end in _ALARMING else _log.info
    say(
        "sign-on ended",
        sign_on_id=call.short_id,
        outcome=end.value,
        user=start.user,
        account=call.account,
        service=start.service,
        remote=start.rhost,
        tty=start.tty,
        caller=call.caller.uid,
        device=None if device is None else device.id,
        relay="" if session is None else str(session.handle.link.address),
        verdict=_verdict(session) or None,
        reason="" if session is None else session.reason,
        joined=_joined(call),
        began=_began(call),
        steps=call.steps.at,
    )


def _joined(call: Call) -> str:
    return sign_on_id.display(call.joined) if call.joined else ""


def _began(call: Call) -> float:
    """In Unix seconds."""
    host = call.host
    return round(host.wall_clock() - (host.clock() - call.steps.began), 6)


def _verdict(session: Session | None) -> str:
    verdict = None if session is None else session.verdict
    return "" if verdict is None else verdict.name.lower()
