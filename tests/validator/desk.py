"""shell. The device around the client: what the user does, what is stored."""

import time
from dataclasses import dataclass, field

import trio

from protocol import passcode
from protocol.keys import Mode
from protocol.signon_messages import Context, Verdict
from tests.support.direct_agent import At, Fault, Waiting
from validator import client
from validator.choice import Choice
from validator.endings import Ending
from validator.errors import KeyStoreError
from validator.outcomes import Outcome
from validator.record import Record
from validator.timeline import Timeline

APPROVE = Choice(Verdict.APPROVE)


BEFORE_CONTEXT = [
    (At.ACCEPT, Fault.RESET, Outcome.NO_SUCH_SIGN_ON),
    (At.ACCEPT, Fault.CLOSE, Outcome.NO_SUCH_SIGN_ON),
    (At.OPENING, Fault.RESET, Outcome.NO_SUCH_SIGN_ON),
    (At.OPENING, Fault.CLOSE, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.RESET, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.CLOSE, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.HALF, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.GARBAGE, Outcome.NOT_GENUINE),
    (At.FIRST_ANSWER, Fault.NO_FRAME, Outcome.NOT_GENUINE),
]


@dataclass
class Desk:
    """The device around the client: what the user does, what is stored."""

    record: Record
    choice: Choice | None = APPROVE
    disk_full: bool = False
    undecided: bool = False
    contexts: list[Context] = field(default_factory=list)
    stored: list[Record] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    asked: trio.Event = field(default_factory=trio.Event)

    async def decide(self, context: Context) -> Choice | None:
        self.contexts.append(context)
        self.asked.set()
        if self.undecided:
            await trio.sleep_forever()
        return self.choice

    def store(self, record: Record) -> None:
        if self.disk_full:
            raise KeyStoreError("no space")
        self.stored.append(record)
        self.record = record

    async def sign_on(
        self, code: str, mode: Mode = Mode.PASSCODE, *, patience: float = 0.0
    ) -> Ending:
        device = client.Device(self.decide, self.store, time.time)
        return await client.sign_on(
            self.record, mode, code, device, self.timeline, patience=patience
        )


def another_passcode(waiting: Waiting) -> str:
    code = passcode.generate()
    return code if code != waiting.passcode else another_passcode(waiting)
