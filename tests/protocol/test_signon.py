"""The two machines joined: what happens when everybody does as the protocol says."""

import inspect
from collections.abc import Callable

import pytest

from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn, DeviceKeys, ValidatorSignOn
from protocol.signon_messages import (
    Decision,
    H1Payload,
    Receipt,
    SignOnOutcome,
    UserVerification,
    Verdict,
)
from tests.protocol.joined import (
    AGENT,
    DEVICE,
    FRAMES,
    FROM_VALIDATOR,
    PASSCODE,
    Enrolment,
    Joined,
    public_bytes,
)


@pytest.mark.parametrize("mode", [Mode.PASSCODE, Mode.PUSH, Mode.APPROVER, Mode.PROOF])
@pytest.mark.parametrize("passcode", [PASSCODE, ""])
def test_both_sides_agree_at_the_end(mode: Mode, passcode: str) -> None:
    joined = Joined(Enrolment(mode=mode, passcode=passcode)).run()
    assert joined.agent.base == Generation(0, b"\x6b" * 32)
    following = joined.validator.next_generation()
    assert following == Generation(1, joined.agent.next_root)
    assert following.root != joined.agent.base.root
    assert len(joined.agent.handshake_hash) == 32


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_arrives_with_all_it_carries(verdict: Verdict) -> None:
    joined = Joined().run(until="CONTEXT")
    shown = joined.validator.receive_context(joined.frames["CONTEXT"])
    assert shown == Enrolment().context()
    frame = joined.validator.decision(verdict, "not me", UserVerification.PIN)
    decision = joined.agent.receive_decision(frame)
    assert (decision.verdict, decision.reason) == (verdict, "not me")
    assert decision.user_verification is UserVerification.PIN
    assert decision.passcode == PASSCODE


@pytest.mark.parametrize("outcome", SignOnOutcome)
def test_each_outcome_arrives(outcome: SignOnOutcome) -> None:
    joined = Joined(outcome=outcome).run(until="RECEIPT")
    receipt = joined.validator.receive_receipt(joined.frames["RECEIPT"])
    assert (receipt.outcome, receipt.next_generation) == (outcome, 1)
    joined.agent.receive_confirm(joined.validator.confirm())


def test_the_receipt_brings_its_text() -> None:
    joined = Joined().run(until="DECISION")
    joined.agent.receive_decision(joined.frames["DECISION"])
    frame = joined.agent.receipt(SignOnOutcome.TOO_LATE, "14 s too late")
    assert joined.validator.receive_receipt(frame).text == "14 s too late"


def test_what_is_not_said_is_empty() -> None:
    joined = Joined()
    assert joined.deliver("H1", joined.make("H1")) == H1Payload(0, caps=0, app_version=0)
    joined.deliver("CONTEXT", joined.make("CONTEXT"))
    decision = joined.deliver("DECISION", joined.make("DECISION"))
    assert isinstance(decision, Decision)
    assert (decision.reason, decision.user_verification) == ("", UserVerification.PRESENCE)
    receipt = joined.deliver("RECEIPT", joined.make("RECEIPT"))
    assert isinstance(receipt, Receipt)
    assert receipt.text == ""


def test_h1_brings_the_version_of_the_program() -> None:
    device = DeviceKeys(
        DEVICE, public_bytes(AGENT), Enrolment().rendezvous_root, Enrolment().generation
    )
    validator = ValidatorSignOn(device, Mode.PASSCODE, PASSCODE, app_version=7)
    assert Enrolment().agent().receive_h1(validator.h1()) == H1Payload(0, app_version=7)


def test_every_sign_on_has_new_keys_and_randoms() -> None:
    runs = [Joined().run() for _ in range(3)]
    for name in FRAMES:
        assert len({run.frames[name] for run in runs}) == 3
    assert len({run.agent.next_root for run in runs}) == 3
    assert len({run.agent.handshake_hash for run in runs}) == 3


LENGTHS = {"H1": 80, "CONTEXT": 1584, "DECISION": 272, "RECEIPT": 272, "CONFIRM": 272}


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("outcome", SignOnOutcome)
def test_an_observer_sees_the_same_lengths_whatever_was_decided(
    verdict: Verdict, outcome: SignOnOutcome
) -> None:
    joined = Joined(verdict=verdict, outcome=outcome).run()
    assert {name: len(frame) for name, frame in joined.frames.items()} == LENGTHS
    assert LENGTHS["H1"] == H1_FRAME_LENGTH


@pytest.mark.parametrize("text", ["", "a", "ä" * 500])
def test_a_text_changes_no_length(text: str) -> None:
    joined = Joined().run(until="CONTEXT")
    joined.validator.receive_context(joined.frames["CONTEXT"])
    decision = joined.validator.decision(Verdict.REPORT, text)
    joined.agent.receive_decision(decision)
    assert len(decision) == len(joined.agent.receipt(SignOnOutcome.REFUSED, text)) == 272


# ---- which generation opens ----------------------------------------------------------------------

GENERATIONS = tuple(Generation(number, bytes((number,)) * 32) for number in range(10))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_h1_opens_under_the_generation_it_was_made_with(generation: Generation) -> None:
    agent = Enrolment().agent(*reversed(GENERATIONS))
    payload = agent.receive_h1(Enrolment(generation=generation).validator().h1())
    assert payload.generation == generation.number
    assert agent.base == generation


# ---- order ---------------------------------------------------------------------------------------

STEPS = (*FRAMES, "done", "void")
VALIDATOR_METHODS: dict[str, Callable[[ValidatorSignOn, Joined], object]] = {
    "h1": lambda machine, _: machine.h1(),
    "receive_context": lambda machine, joined: machine.receive_context(joined.frames["CONTEXT"]),
    "decision": lambda machine, _: machine.decision(Verdict.APPROVE),
    "receive_receipt": lambda machine, joined: machine.receive_receipt(joined.frames["RECEIPT"]),
    "confirm": lambda machine, _: machine.confirm(),
    "next_generation": lambda machine, _: machine.next_generation(),
}
AGENT_METHODS: dict[str, Callable[[AgentSignOn, Joined], object]] = {
    "receive_h1": lambda machine, joined: machine.receive_h1(joined.frames["H1"]),
    "context": lambda machine, _: machine.context(Enrolment().context()),
    "receive_decision": lambda machine, joined: machine.receive_decision(joined.frames["DECISION"]),
    "receipt": lambda machine, _: machine.receipt(SignOnOutcome.SIGNED_ON),
    "receive_confirm": lambda machine, joined: machine.receive_confirm(joined.frames["CONFIRM"]),
    "base": lambda machine, _: machine.base,
    "handshake_hash": lambda machine, _: machine.handshake_hash,
    "next_root": lambda machine, _: machine.next_root,
}
# What each step allows: the step's own method, and what may be asked from there on.
VALIDATOR_ALLOWS = {
    "H1": {"h1"},
    "CONTEXT": {"receive_context"},
    "DECISION": {"decision"},
    "RECEIPT": {"receive_receipt"},
    "CONFIRM": {"confirm", "next_generation"},
    "done": {"next_generation"},
    "void": set(),
}
KNOWN_FROM_H1 = {"base", "handshake_hash"}
KNOWN_FROM_DECISION = {*KNOWN_FROM_H1, "next_root"}
AGENT_ALLOWS = {
    "H1": {"receive_h1"},
    "CONTEXT": {"context", *KNOWN_FROM_H1},
    "DECISION": {"receive_decision", *KNOWN_FROM_H1},
    "RECEIPT": {"receipt", *KNOWN_FROM_DECISION},
    "CONFIRM": {"receive_confirm", *KNOWN_FROM_DECISION},
    "done": KNOWN_FROM_DECISION,
    "void": set(),
}


def at_step(step: str, side: str) -> Joined:
    """A sign-on whose `side` waits at `step`; the frames that are not made yet are another's."""
    whole = Joined().run()
    joined = Joined()
    if step == "void":
        joined.validator.h1()
        with pytest.raises(ProtocolError):
            joined.validator.receive_context(bytes(1584))
        with pytest.raises(ProtocolError):
            joined.agent.receive_h1(bytes(80))
    else:
        for name in FRAMES[: STEPS.index(step)]:
            joined.deliver(name, joined.make(name))
        if step != "done" and (step in FROM_VALIDATOR) != (side == "validator"):
            joined.make(step)
    joined.frames = whole.frames | joined.frames
    return joined


def public_methods(machine: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(machine) if not name.startswith("_")}


def test_the_tables_cover_every_method_and_every_step() -> None:
    assert public_methods(ValidatorSignOn) == set(VALIDATOR_METHODS)
    assert public_methods(AgentSignOn) == set(AGENT_METHODS)
    assert set(VALIDATOR_ALLOWS) == set(AGENT_ALLOWS) == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("method", VALIDATOR_METHODS)
def test_the_validators_order(step: str, method: str) -> None:
    joined = at_step(step, "validator")
    if method in VALIDATOR_ALLOWS[step]:
        assert VALIDATOR_METHODS[method](joined.validator, joined)
        return
    with pytest.raises(RuntimeError):
        VALIDATOR_METHODS[method](joined.validator, joined)
    for allowed in VALIDATOR_ALLOWS[step]:  # and the machine is as it was
        VALIDATOR_METHODS[allowed](joined.validator, joined)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("method", AGENT_METHODS)
def test_the_agents_order(step: str, method: str) -> None:
    joined = at_step(step, "agent")
    if method in AGENT_ALLOWS[step]:
        AGENT_METHODS[method](joined.agent, joined)
        return
    with pytest.raises(RuntimeError):
        AGENT_METHODS[method](joined.agent, joined)
    for allowed in AGENT_ALLOWS[step]:
        AGENT_METHODS[allowed](joined.agent, joined)


@pytest.mark.parametrize("name", FRAMES)
def test_a_machine_that_met_an_error_is_void_for_good(name: str) -> None:
    joined = Joined().run(until=name)
    frame = joined.frames[name]
    with pytest.raises(ProtocolError):
        joined.deliver(name, bytes(len(frame)))
    with pytest.raises(RuntimeError):
        joined.deliver(name, frame)


def test_a_context_of_another_mode_is_a_bug_of_the_caller() -> None:
    joined = Joined().run(until="H1")
    joined.agent.receive_h1(joined.frames["H1"])
    with pytest.raises(RuntimeError):
        joined.agent.context(Enrolment(mode=Mode.PUSH).context())
