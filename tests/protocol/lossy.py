"""Sign-ons over a network that may cut each of the five messages, for the tests of the ratchet."""

from dataclasses import dataclass
from enum import Enum
from itertools import count

from protocol.ratchet import Generation, Ratchet
from protocol.signon_messages import SignOnOutcome, Verdict
from tests.protocol.joined import Enrolment


class Cut(Enum):
    """The message that is lost, and with it all that would follow."""

    H1 = 0
    CONTEXT = 1
    DECISION = 2
    RECEIPT = 3
    CONFIRM = 4
    NONE = 5


class CloneAlarmError(Exception):
    """The agent took the device for one of two."""


class VoidError(Exception):
    """The device's generation opens nothing any more."""


@dataclass(frozen=True)
class World:
    """What is stored after a sign-on: the agent's ratchet, and the generation the device holds."""

    ratchet: Ratchet
    held: Generation


def sign_on(world: World, cut: Cut) -> World:
    """One sign-on with the real machines. Raises CloneAlarmError; a ProtocolError is a lock-out."""
    enrolment = Enrolment(generation=world.held)
    validator = enrolment.validator()
    h1 = validator.h1()
    if cut is Cut.H1:
        return world
    agent = enrolment.agent(*world.ratchet.candidates())
    agent.receive_h1(h1)
    context = agent.context(enrolment.context())
    if cut is Cut.CONTEXT:
        return world
    validator.receive_context(context)
    decision = validator.decision(Verdict.APPROVE)
    if cut is Cut.DECISION:
        return world
    agent.receive_decision(decision)
    ratchet = world.ratchet.decided(agent.base, agent.next_root)
    if ratchet is None:
        raise CloneAlarmError
    receipt = agent.receipt(SignOnOutcome.SIGNED_ON)
    if cut is Cut.RECEIPT:
        return World(ratchet, world.held)
    validator.receive_receipt(receipt)
    held = validator.next_generation()
    confirm = validator.confirm()
    if cut is Cut.CONFIRM:
        return World(ratchet, held)
    agent.receive_confirm(confirm)
    return World(ratchet.confirmed(Generation(agent.base.number + 1, agent.next_root)), held)


_ROOTS = count(1)


def new_root() -> bytes:
    """A root that never was: what the two randoms make of every next root."""
    return next(_ROOTS).to_bytes(32, "big")


def sketched_sign_on(world: World, cut: Cut) -> World:
    """What `sign_on` does to the two stores, without cryptography: a thousand times as fast.

    Raises CloneAlarmError and VoidError. The tests of losses compare the two.
    """
    ratchet, held = world.ratchet, world.held
    if cut is not Cut.H1 and held not in ratchet.candidates():
        raise VoidError
    if cut in (Cut.H1, Cut.CONTEXT, Cut.DECISION):
        return world
    successor = Generation(held.number + 1, new_root())
    decided = ratchet.decided(held, successor.root)
    if decided is None:
        raise CloneAlarmError
    if cut is Cut.RECEIPT:
        return World(decided, held)
    if cut is Cut.CONFIRM:
        return World(decided, successor)
    return World(decided.confirmed(successor), successor)


FIRST = Enrolment().generation
START = World(Ratchet(FIRST), FIRST)
