"""The client when the host, the relay or the network fails at any moment."""

import socket

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol import passcode
from protocol.signon_messages import Verdict
from tests.support.direct_agent import At, DirectAgent, Fault, direct_agent
from tests.validator.desk import APPROVE, BEFORE_CONTEXT, Desk, another_passcode
from tests.validator.pairs import pair
from validator import limits
from validator.choice import Choice
from validator.endings import Ending
from validator.outcomes import Outcome
from validator.timeline import Step


@pytest.mark.parametrize(("at", "fault", "outcome"), BEFORE_CONTEXT)
async def test_cut_before_context(agent: DirectAgent, at: At, fault: Fault, outcome: Outcome):
    desk = Desk(pair(agent))
    agent.faults[at] = fault
    ending = await desk.sign_on(agent.ask().passcode)
    assert ending.outcome is outcome
    assert desk.contexts == []
    assert desk.stored == []
    assert list(desk.timeline.at) == [Step.CONNECTED]


AFTER_DECISION = [
    (At.DECISION, Fault.RESET),
    (At.DECISION, Fault.CLOSE),
    (At.RECEIPT, Fault.RESET),
    (At.RECEIPT, Fault.CLOSE),
    (At.RECEIPT, Fault.HALF),
    (At.RECEIPT, Fault.GARBAGE),
    (At.RECEIPT, Fault.NO_FRAME),
]


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
@pytest.mark.parametrize(("at", "fault"), AFTER_DECISION)
async def test_cut_before_receipt_is_never_success_and_locks_nobody_out(
    agent: DirectAgent, at: At, fault: Fault, verdict: Verdict
):
    desk = Desk(pair(agent), Choice(verdict))
    agent.faults[at] = fault
    waiting = agent.ask()
    ending = await desk.sign_on(waiting.passcode)
    assert ending.outcome is Outcome.UNKNOWN
    assert desk.stored == []
    agent.faults.clear()
    desk.choice = APPROVE
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_cut_before_confirm_is_success_and_locks_nobody_out(agent: DirectAgent, fault: Fault):
    desk = Desk(pair(agent))
    agent.faults[At.CONFIRM] = fault
    waiting = agent.ask()
    assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
    await waiting.ended.wait()
    assert not waiting.confirmed
    assert desk.record.generation.number == 1
    agent.faults.clear()
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON
    assert desk.record.generation.number == 2


@pytest.mark.parametrize(
    ("at", "seconds", "outcome"),
    [
        (At.ACCEPT, limits.ANSWER_SECONDS, Outcome.UNREACHABLE),
        (At.FIRST_ANSWER, limits.ANSWER_SECONDS, Outcome.UNREACHABLE),
        (At.RECEIPT, limits.RECEIPT_SECONDS, Outcome.UNKNOWN),
        (At.CONFIRM, limits.CLOSING_SECONDS, Outcome.SIGNED_ON),
    ],
)
async def test_silence_is_bounded(
    agent: DirectAgent, mock_clock: MockClock, at: At, seconds: float, outcome: Outcome
):
    desk = Desk(pair(agent))
    agent.faults[at] = Fault.SILENCE
    endings: list[Ending] = []
    async with trio.open_nursery() as nursery:

        async def sign_on() -> None:
            endings.append(await desk.sign_on(agent.ask().passcode))

        nursery.start_soon(sign_on)
        await agent.misbehaved.wait()
        await wait_all_tasks_blocked()
        mock_clock.jump(seconds - 0.1)
        await wait_all_tasks_blocked()
        assert endings == []
        mock_clock.jump(0.2)
    assert endings[0].outcome is outcome
    assert endings[0].unreachable == ((agent.address,) if outcome is Outcome.UNREACHABLE else ())


async def test_a_relay_that_does_not_answer_the_connection_is_given_up(mock_clock: MockClock):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = f"127.0.0.1:{full.getsockname()[1]}"
        waiting = []
        for _ in range(3):  # what the queue of accepted connections holds, and more
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        desk = Desk(pair(DirectAgent(), relays=(address,)))
        endings: list[Ending] = []
        async with trio.open_nursery() as nursery:

            async def sign_on() -> None:
                endings.append(await desk.sign_on(passcode.generate()))

            nursery.start_soon(sign_on)
            # Name lookup is a thread of the system: wait until the connection is being made.
            for _ in range(6):
                await wait_all_tasks_blocked(0.05)
                mock_clock.jump(1.0)
            await wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        assert endings[0].outcome is Outcome.UNREACHABLE
        assert endings[0].unreachable == (address,)
        for each in waiting:
            each.close()


async def test_an_unknown_passcode(agent: DirectAgent):
    desk = Desk(pair(agent))
    waiting = agent.ask()
    ending = await desk.sign_on(another_passcode(waiting))
    assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
    assert ending.cut_at_once
    assert not waiting.matched.is_set()


async def test_a_rejection_after_the_relays_hold_is_no_early_cut(mock_clock: MockClock):
    async with direct_agent(hold=5.0) as agent:
        desk = Desk(pair(agent))
        endings: list[Ending] = []
        async with trio.open_nursery() as nursery:

            async def sign_on() -> None:
                endings.append(await desk.sign_on(another_passcode(agent.ask())))

            nursery.start_soon(sign_on)
            await agent.rejecting.wait()
            await wait_all_tasks_blocked()
            mock_clock.jump(5.01)
        assert endings[0].outcome is Outcome.NO_SUCH_SIGN_ON
        assert not endings[0].cut_at_once


async def test_a_host_that_gives_up_ends_the_question(agent: DirectAgent):
    desk = Desk(pair(agent), undecided=True)
    waiting = agent.ask()
    async with trio.open_nursery() as nursery:

        async def give_up() -> None:
            await desk.asked.wait()
            waiting.cancelled.set()

        nursery.start_soon(give_up)
        with trio.fail_after(waiting.context.seconds_left / 2):
            ending = await desk.sign_on(waiting.passcode)
    assert ending.outcome is Outcome.UNDECIDED
    assert desk.stored == []
    assert Step.DECIDED not in desk.timeline.at


async def test_leaving_sends_nothing(agent: DirectAgent):
    desk = Desk(pair(agent), choice=None)
    waiting = agent.ask()
    assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.UNDECIDED
    await waiting.ended.wait()
    assert waiting.decision is None


@pytest.mark.parametrize(
    ("seconds_left", "bound"), [(20, 20.0), (65535, limits.MAX_DECISION_SECONDS)]
)
async def test_the_time_to_decide_is_bounded(
    agent: DirectAgent, mock_clock: MockClock, seconds_left: int, bound: float
):
    desk = Desk(pair(agent), undecided=True)
    endings: list[Ending] = []
    async with trio.open_nursery() as nursery:

        async def sign_on() -> None:
            endings.append(await desk.sign_on(agent.ask(seconds_left=seconds_left).passcode))

        nursery.start_soon(sign_on)
        await desk.asked.wait()
        await wait_all_tasks_blocked()
        mock_clock.jump(bound - 0.1)
        await wait_all_tasks_blocked()
        assert endings == []
        mock_clock.jump(0.2)
    assert endings[0].outcome is Outcome.UNDECIDED
