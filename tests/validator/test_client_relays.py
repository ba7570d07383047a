"""The client where a host has several relays."""

from protocol import passcode
from protocol.limits import H1_FRAME_LENGTH
from tests.support.direct_agent import At, DirectAgent, Fault, direct_agent
from tests.validator.desk import Desk, another_passcode
from tests.validator.pairs import pair
from validator.outcomes import Outcome


async def test_relays_are_tried_one_after_another(agent: DirectAgent):
    async with direct_agent() as stranger:
        relays = ("127.0.0.1:1", "no address", stranger.address, agent.address)
        desk = Desk(pair(agent, relays=relays))
        waiting = agent.ask()
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
        assert len(stranger.openings) == 1
        # Each relay gets an H1 of its own: none can be replayed at another.
        assert stranger.openings[0][-H1_FRAME_LENGTH:] != agent.openings[0][-H1_FRAME_LENGTH:]


async def test_one_relay_without_the_sign_on_says_more_than_one_out_of_reach(agent: DirectAgent):
    desk = Desk(pair(agent, relays=("127.0.0.1:1", agent.address)))
    ending = await desk.sign_on(another_passcode(agent.ask()))
    assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
    assert ending.unreachable == ("127.0.0.1:1",)


async def test_no_relay_in_reach():
    desk = Desk(pair(DirectAgent(), relays=("127.0.0.1:1", "127.0.0.1:2")))
    ending = await desk.sign_on(passcode.generate())
    assert ending.outcome is Outcome.UNREACHABLE
    assert ending.unreachable == ("127.0.0.1:1", "127.0.0.1:2")
    assert desk.timeline.at == {}


async def test_garbage_from_one_relay_does_not_hide_the_next(agent: DirectAgent):
    async with direct_agent() as liar:
        desk = Desk(pair(agent, relays=(liar.address, agent.address)))
        waiting = agent.ask()
        liar.devices.append(agent.devices[0])
        liar._waiting.update(agent._waiting)
        liar.faults[At.FIRST_ANSWER] = Fault.GARBAGE
        liar.static = agent.static
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
