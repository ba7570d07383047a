"""Tickets and responses between sign-ons through a relay, whatever messages are lost: an honest
device is never locked out, and nothing counts twice."""

import hashlib
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from pam_agent.codes import CodeVerdict, judge_response, judge_ticket
from pam_agent.device_state import confirmed, decided
from pam_agent.records import Decided, Device
from protocol import offline, ticket
from protocol.passcode import with_check_digit
from protocol.ratchet import Generation
from tests.support.agent_store import NOW, device

SERVICE = "postgresql"
STEPS = ("use", "drop", "respond", "sign-on", "lose receipt", "lose confirm")


@dataclass
class Pair:
    """An agent's side and the device's, and all that was ever typed."""

    agent: Device
    root: Generation
    counter: int = 0
    unused: int = 0
    """Tickets in a row that were made and never typed."""
    spent: list[str] = field(default_factory=list)
    draws: int = 0

    def made(self) -> str:
        """As `bartizan ticket` does it."""
        number, counter = self.root.number, self.counter
        self.counter += 1
        key = offline.offline_key(self.root.root)
        locator = ticket.locator(self.agent.rendezvous_root, number, counter, SERVICE)
        return locator + ticket.proof(key, number, counter, SERVICE)

    def types(self, whole: str) -> CodeVerdict:
        judgement = judge_ticket([self.agent], SERVICE, whole, NOW)
        (self.agent,) = judgement.changed or (self.agent,)
        return judgement.verdict

    def responds(self) -> CodeVerdict:
        self.draws += 1
        code = with_check_digit(f"{self.draws:07d}")
        typed = offline.response(offline.offline_key(self.root.root), code)
        judgement = judge_response([self.agent], code, typed, NOW)
        (self.agent,) = judgement.changed or (self.agent,)
        return judgement.verdict

    def sign_on(self, *, receipt: bool, confirm: bool) -> None:
        """Through a relay that loses RECEIPT or CONFIRM."""
        self.draws += 1
        root = hashlib.sha256(f"{self.draws}".encode()).digest()
        opened = self.agent.ratchet
        result, self.agent = decided(
            self.agent, self.root, root, opened=opened, success=True, now=NOW
        )
        assert result is Decided.MOVED
        if not receipt:
            return
        self.root, self.counter, self.unused = Generation(self.root.number + 1, root), 0, 0
        if confirm:
            self.agent = confirmed(self.agent, self.root)


def run(steps: list[str]) -> Pair:
    first = Generation(0, bytes(32))
    pair = Pair(replace(device(), ratchet=replace(device().ratchet, current=first)), first)
    for step in steps:
        match step:
            case "use":
                whole = pair.made()
                within = pair.unused < ticket.LOOK_AHEAD
                expected = CodeVerdict.RIGHT if within else CodeVerdict.WRONG
                assert pair.types(whole) is expected
                pair.spent += [whole] if within else []
                pair.unused = 0 if within else pair.unused + 1
            case "drop":
                pair.made()
                pair.unused += 1
            case "respond":
                assert pair.responds() is CodeVerdict.RIGHT
            case _:
                pair.sign_on(receipt=step != "lose receipt", confirm=step == "sign-on")
        assert all(pair.types(each) is not CodeVerdict.RIGHT for each in pair.spent[-5:])
        assert pair.agent.failures == 0
    return pair


@given(st.lists(st.sampled_from(STEPS), max_size=25))
def test_whatever_is_lost(steps: list[str]) -> None:
    run(steps)


def test_who_has_run_too_far_ahead_is_put_right_by_a_sign_on() -> None:
    for lost in ("sign-on", "lose confirm"):
        pair = run(["drop"] * ticket.LOOK_AHEAD + ["use", lost, "use"])
        assert len(pair.spent) == 1


def test_a_lost_receipt_puts_nothing_right_and_the_next_sign_on_does() -> None:
    pair = run(["drop"] * ticket.LOOK_AHEAD + ["lose receipt", "use", "sign-on", "use"])
    assert len(pair.spent) == 1
