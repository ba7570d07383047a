"""The client against the real machines of an agent, on real sockets."""

import socket
from dataclasses import replace

import pytest

from protocol import keys
from protocol.frames import encode_frame, encode_preface
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH
from protocol.messages import AuthValidate, encode
from protocol.ratchet import Standing
from protocol.signon_messages import SignOnOutcome, UserVerification, Verdict
from tests.support.direct_agent import DirectAgent
from tests.validator.desk import Desk
from tests.validator.pairs import pair
from validator.choice import Choice
from validator.connection import RelayConnection
from validator.endings import Ending
from validator.outcomes import Outcome
from validator.record import State
from validator.timeline import Step


async def test_an_approval(agent: DirectAgent):
    desk = Desk(pair(agent, state=State.UNPROVED))
    before = desk.record
    waiting = agent.ask(service="sudo", note="/bin/ls", text="welcome")
    ending = await desk.sign_on(waiting.passcode)
    await waiting.ended.wait()
    assert ending == Ending(Outcome.SIGNED_ON, "web1", "alice", said="welcome")
    assert desk.contexts == [waiting.context]
    assert waiting.confirmed
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.APPROVE
    assert waiting.decision.user_verification is UserVerification.PRESENCE
    (stored,) = desk.stored
    assert stored.state is State.ACTIVE
    assert stored.last_used > 0
    assert stored.generation.number == before.generation.number + 1
    assert agent.devices[0].ratchet.current == stored.generation
    assert agent.devices[0].ratchet.standing(before.generation) is Standing.RETIRED
    assert list(desk.timeline.at) == list(Step)
    assert sorted(desk.timeline.at.values()) == list(desk.timeline.at.values())
    assert desk.timeline.sign_on_id == waiting.context.sign_on_id


async def test_the_opening_is_one_write(agent: DirectAgent):
    desk = Desk(pair(agent))
    waiting = agent.ask()
    await desk.sign_on(waiting.passcode)
    tag = keys.tag(
        desk.record.rendezvous_root, keys.passcode_input(Mode.PASSCODE, waiting.passcode)
    )
    start = encode_preface(agent.shard) + encode_frame(encode(AuthValidate(tag)))
    (opening,) = agent.openings
    assert opening.startswith(start)
    assert len(opening) == len(start) + 2 + H1_FRAME_LENGTH


async def test_frames_are_not_held_back(agent: DirectAgent):
    connection = await RelayConnection.open(agent.address)
    async with connection:
        assert connection._stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(Verdict.DENY, Outcome.DENIED), (Verdict.REPORT, Outcome.REPORTED)],
)
async def test_a_denial_moves_the_ratchet_too(
    agent: DirectAgent, verdict: Verdict, outcome: Outcome
):
    desk = Desk(pair(agent), Choice(verdict, "not me", UserVerification.NONE))
    waiting = agent.ask()
    ending = await desk.sign_on(waiting.passcode)
    await waiting.ended.wait()
    assert ending.outcome is outcome
    assert waiting.decision is not None
    assert waiting.decision.verdict is verdict
    assert waiting.decision.reason == "not me"
    assert waiting.decision.user_verification is UserVerification.NONE
    assert desk.record.generation.number == 1
    assert desk.record.last_used == 0
    assert waiting.confirmed


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (SignOnOutcome.REFUSED, Outcome.REFUSED),
        (SignOnOutcome.TOO_LATE, Outcome.TOO_LATE),
        (SignOnOutcome.AWAITING_APPROVER, Outcome.AWAITING_APPROVER),
    ],
)
async def test_what_the_host_says_counts(agent: DirectAgent, said: SignOnOutcome, outcome: Outcome):
    desk = Desk(pair(agent))
    waiting = agent.ask(outcome=said)
    assert (await desk.sign_on(waiting.passcode)).outcome is outcome
    assert desk.record.generation.number == 1


async def test_many_sign_ons_of_one_device(agent: DirectAgent):
    desk = Desk(pair(agent))
    for number in range(1, 13):
        waiting = agent.ask()
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
        await waiting.ended.wait()
        assert desk.record.generation.number == number


async def test_an_old_copy_rings_the_clone_alarm(agent: DirectAgent):
    desk = Desk(pair(agent))
    thief = Desk(desk.record)
    for _ in range(2):
        waiting = agent.ask()
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
        await waiting.ended.wait()
    waiting = agent.ask()
    assert (await thief.sign_on(waiting.passcode)).outcome is Outcome.DISABLED
    await waiting.ended.wait()
    assert not waiting.confirmed
    assert agent.devices[0].disabled
    assert thief.record == replace(thief.stored[0], state=State.DISABLED)
    assert thief.record.generation.number == 0


async def test_no_confirm_before_the_next_key_is_durable(agent: DirectAgent):
    desk = Desk(pair(agent), disk_full=True)
    waiting = agent.ask()
    ending = await desk.sign_on(waiting.passcode)
    await waiting.ended.wait()
    assert ending.outcome is Outcome.SIGNED_ON
    assert ending.not_stored == "no space"
    assert not waiting.confirmed
    desk.disk_full = False
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON
