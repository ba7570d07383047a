"""pure. What the agent knows of its sign-ons and enrolments: those under way, and those that ended
lately.

It is for an administrator's question, and the log is what lasts: so there is a bound, and the
answer says when it may have been reached.
"""

from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from daemons.exposition import Histogram

MAX_REMEMBERED: Final = 1000
"""Ended ones: about 1.5 MiB, and a busy host's half hour."""
REMEMBERED_SECONDS: Final = 3600.0
"""An administrator is asked about a sign-on of just now; the rest is in the log."""

QUEUE_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Seconds: from a relay in the next room to the default limit."""
DECISION_BOUNDS: Final = (2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0)
"""Seconds: somebody who waits for it, to somebody who has to find the device."""


class Kind(StrEnum):
    """What it was."""

    SIGN_ON = "sign-on"
    ENROLMENT = "enrolment"


class Stage(StrEnum):
    """How far one is that has not ended."""

    QUEUEING = "queueing"
    """No relay has queued it yet, and nothing is shown."""
    WAITING = "waiting"
    """The passcode is shown, or the offer, and no device has come with it."""
    RUNNING = "running"
    """A device has shown that it holds its key, and is asked."""
    FINISHING = "finishing"
    """It is decided; the device's last message is waited for."""


class Story(Struct, frozen=True, tag="story"):
    """One sign-on or enrolment, with nothing in it that is secret.

    `outcome` is its end's word, empty while it is at a `stage`. `began` in Unix seconds; `steps` in
    seconds since then, the first time of each; `counts` how often. `caller` is a uid, `device` a
    number, each -1 for none. `joined` is the id of the sign-on that it has waited with. `relays`
    says of each relay why it did not help.
    """

    kind: Kind
    sign_on_id: str
    outcome: str
    stage: str
    user: str
    began: float
    steps: Mapping[str, float]
    counts: Mapping[str, int]
    service: str = ""
    remote: str = ""
    tty: str = ""
    caller: int = -1
    device: int = -1
    device_name: str = ""
    relay: str = ""
    verdict: str = ""
    reason: str = ""
    joined: str = ""
    relays: Mapping[str, str] = {}


class UnderWay(Protocol):
    """A sign-on or an enrolment that has not ended."""

    @property
    def kind(self) -> Kind: ...

    def story(self) -> Story:
        """As it stands now."""
        ...

    @property
    def stage(self) -> Stage: ...


class SignOns:
    """All that are under way, and the last that ended. Times are seconds of the host's clock."""

    def __init__(self) -> None:
        self.ended: Final[dict[Kind, Counter[str]]] = {kind: Counter() for kind in Kind}
        """How many ended so, since the agent started."""
        self.queued: Final = Histogram(QUEUE_BOUNDS)
        """Seconds until a relay had queued a sign-on."""
        self.decided: Final = Histogram(DECISION_BOUNDS)
        """Seconds from the passcode to a verified decision."""
        self._under_way: dict[str, UnderWay] = {}
        self._lately: deque[tuple[float, Story]] = deque(maxlen=MAX_REMEMBERED)

    def begin(self, sign_on_id: str, under_way: UnderWay) -> None:
        """`end` is owed for it."""
        self._under_way[sign_on_id] = under_way

    def end(self, story: Story, now: float) -> None:
        del self._under_way[story.sign_on_id]
        self.ended[story.kind][story.outcome] += 1
        if story.kind is Kind.SIGN_ON:
            self._time(story.steps)
        self._forget(now)
        self._lately.append((now, story))

    def at(self, *stages: Stage, kind: Kind = Kind.SIGN_ON) -> int:
        """How many are at one of these stages."""
        under_way = (each for each in self._under_way.values() if each.kind is kind)
        return sum(each.stage in stages for each in under_way)

    def find(self, sign_on_id: str, now: float) -> Story | None:
        """None for one that never was here, or that is forgotten."""
        under_way = self._under_way.get(sign_on_id)
        if under_way is not None:
            return under_way.story()
        self._forget(now)
        found = [story for _, story in self._lately if story.sign_on_id == sign_on_id]
        return found[0] if found else None

    def remembered(self, now: float) -> int:
        """How many of those that ended are not forgotten."""
        self._forget(now)
        return len(self._lately)

    def _time(self, steps: Mapping[str, float]) -> None:
        if "queued" in steps:
            self.queued.observe(steps["queued"])
        if "shown" in steps and "decided" in steps:
            self.decided.observe(steps["decided"] - steps["shown"])

    def _forget(self, now: float) -> None:
        while self._lately and self._lately[0][0] <= now - REMEMBERED_SECONDS:
            self._lately.popleft()
