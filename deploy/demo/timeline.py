"""pure. One sign-on's steps, from the log lines of the four parties, in the order of time."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Line = Mapping[str, Any]
"""A log line as it came out of JSON."""

MILLISECONDS: Final = 1000

_PAM: Final = {
    "asked": "asks the module to authenticate {user}",
    "shown": "shows it on the user's terminal",
    "answered": "has the user's Enter, waits for the agent's word",
    "result": "returns: {text}",
}
_AGENT: Final = {
    "queued": "knows that the relay has queued it",
    "shown": "has given the passcode to PAM",
    "paired": "hears that a validator came",
    "opened": "trusts the device's first message, sends the context",
    "decided": "has verified the decision",
    "ended": "has given the result to PAM",
    "confirmed": "has the device's confirmation: new keys on both sides",
}
_VALIDATOR: Final = {
    "connected": "is connected to the relay",
    "context_shown": "shows who wants to sign on where",
    "decided": "sends the decision",
    "receipt": "has the host's receipt",
}


class Step(NamedTuple):
    """What a party did. `at` in Unix seconds."""

    at: float
    party: str
    what: str


@dataclass(frozen=True)
class Lines:
    """All that the parties said of one sign-on; what is not there did not happen, or in vain."""

    pam: Sequence[Line] = ()
    agent: Line | None = None
    relay: Line | None = None
    validator: Line | None = None


def steps(lines: Lines, user: str) -> list[Step]:
    """Every step in the order of time."""
    found: list[Step] = []
    if lines.relay is not None:  # first: of two steps at one moment, the relay's is the cause
        found += _of_relay(lines.relay, _queued_by(lines.agent))
    found += _of_pam(lines.pam, user)
    if lines.agent is not None:
        found += _of_agent(lines.agent)
    if lines.validator is not None:
        at = lines.validator["at"]
        found += [Step(at[key], "validator", text) for key, text in _VALIDATOR.items() if key in at]
    return sorted(found, key=lambda step: step.at)


def _of_pam(lines: Iterable[Line], user: str) -> Iterator[Step]:
    for line in lines:
        text = _PAM[line["event"]].format(user=user, text=line.get("text"))
        yield Step(line["at"], "pam", text)


def _of_agent(line: Line) -> Iterator[Step]:
    began = line["began"]
    yield Step(began, "agent", "has the module's request, sends a blind tag to the relay")
    for key, text in _AGENT.items():
        if key in line["steps"]:
            yield Step(began + line["steps"][key], "agent", text)


def _queued_by(agent: Line | None) -> float:
    """When the agent knew that its request was queued, in Unix seconds."""
    if agent is None or "queued" not in agent["steps"]:
        return math.inf
    return float(agent["began"] + agent["steps"]["queued"])


def _of_relay(line: Line, queued_by: float) -> Iterator[Step]:
    """The relay's line has the time when it was written, and two durations before the end.

    It is written a moment after the end, once the frames are on their way. So that no effect comes
    before its cause, it counts as written as much earlier as `queued_by` demands.
    """
    waited, ran = line["waited"], line["ran"]
    queued = min(line["time"] - ran - waited, queued_by)
    yield Step(queued, "relay", "queues the tag")
    if line["frames_in"]:
        yield Step(queued + waited, "relay", "pairs a validator that has the same tag")
    piped = f"has piped {line['frames_in']} frames in and {line['frames_out']} out, all sealed"
    yield Step(queued + waited + ran, "relay", piped)


def table(found: Iterable[Step]) -> list[str]:
    """The steps as lines, in ms from the first."""
    rows = list(found)
    return [
        f"{(step.at - rows[0].at) * MILLISECONDS:9.1f}  {step.party:<9}  {step.what}"
        for step in rows
    ]
