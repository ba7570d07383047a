"""The client while a device is enrolled."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.errors import ProtocolError
from protocol.keys import Mode
from tests.support.direct_agent import At, DirectAgent, Fault
from tests.validator.desk import BEFORE_CONTEXT, Desk
from validator import client, limits
from validator.first_answer import NoAnswer
from validator.outcomes import Outcome
from validator.record import Record, State


async def enrol(agent: DirectAgent) -> Record:
    offer = agent.offer()
    static = X25519PrivateKey.generate()
    found = await client.request_enrolment(offer, "laptop", static)
    assert not isinstance(found, NoAnswer)
    answer, enrolled = found
    assert enrolled.compare == agent.devices[-1].compare
    return Record.enrolled(offer, static, answer, enrolled, "laptop", 1000)


async def test_an_enrolment_and_its_proof(agent: DirectAgent):
    desk = Desk(await enrol(agent))
    assert (desk.record.host, desk.record.user, desk.record.enrolled_at) == ("web1", "alice", 1000)
    assert desk.record.state is State.UNPROVED
    assert agent.devices[0].name == "laptop"
    ending = await desk.sign_on("", Mode.PROOF)
    await agent.proofs[0].ended.wait()
    assert ending.outcome is Outcome.SIGNED_ON
    assert agent.devices[0].proved
    assert desk.record.state is State.ACTIVE
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON


async def test_the_proof_is_waited_for(agent: DirectAgent):
    agent.proof_after = limits.PROOF_PAUSE_SECONDS
    desk = Desk(await enrol(agent))
    ending = await desk.sign_on("", Mode.PROOF, patience=limits.PROOF_SECONDS)
    assert ending.outcome is Outcome.SIGNED_ON
    assert len(agent.openings) >= 3  # the enrolment, an attempt too early, the proof


async def test_a_proof_that_never_comes_is_given_up(agent: DirectAgent):
    agent.proof_after = -1
    desk = Desk(await enrol(agent))
    patience = 2.2 * limits.PROOF_PAUSE_SECONDS
    ending = await desk.sign_on("", Mode.PROOF, patience=patience)
    assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
    assert 2 <= len(agent.openings) - 1 <= 3


async def test_a_proof_that_is_not_genuine_is_not_tried_again(agent: DirectAgent):
    desk = Desk(await enrol(agent))
    agent.faults[At.FIRST_ANSWER] = Fault.GARBAGE
    ending = await desk.sign_on("", Mode.PROOF, patience=limits.PROOF_SECONDS)
    assert ending.outcome is Outcome.NOT_GENUINE
    assert len(agent.openings) == 2


@pytest.mark.parametrize(("at", "fault", "outcome"), BEFORE_CONTEXT)
async def test_an_enrolment_that_is_cut(agent: DirectAgent, at: At, fault: Fault, outcome: Outcome):
    agent.faults[at] = fault
    found = await client.request_enrolment(agent.offer(), "laptop", X25519PrivateKey.generate())
    assert isinstance(found, NoAnswer)
    assert found.outcome is outcome


async def test_an_offer_that_was_used_is_gone(agent: DirectAgent):
    offer = agent.offer()
    static = X25519PrivateKey.generate()
    assert not isinstance(await client.request_enrolment(offer, "one", static), NoAnswer)
    found = await client.request_enrolment(offer, "two", static)
    assert isinstance(found, NoAnswer)
    assert found.outcome is Outcome.NO_SUCH_SIGN_ON


async def test_an_offer_with_a_low_order_key(agent: DirectAgent):
    offer = replace(agent.offer(), agent_public=bytes(32))
    with pytest.raises(ProtocolError):
        await client.request_enrolment(offer, "laptop", X25519PrivateKey.generate())
