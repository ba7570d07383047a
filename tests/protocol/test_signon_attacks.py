"""Attackers: a relay that replays, reflects and swaps, and a thief of an agent's whole store."""

import hashlib
from dataclasses import replace
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from protocol import keys
from protocol.agent_auth import public_bytes
from protocol.errors import ActivationFailedError, ProtocolError
from protocol.keys import Mode
from protocol.noise import KKPSK0, SymmetricState
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn
from protocol.signon_messages import Decision, H1Payload, Verdict
from tests.protocol.joined import (
    AGENT,
    DEVICE,
    FRAMES,
    OTHER_PASSCODE,
    STRANGER,
    Enrolment,
    Joined,
    PuppetAgent,
)
from tests.protocol.low_order import LOW_ORDER_POINTS

# ---- a relay that has seen other sign-ons --------------------------------------------------------

QUEUED_AGAIN = "the same passcode, queued again"
OTHERS = {
    QUEUED_AGAIN: {},
    "another sign-on of the device": {"passcode": OTHER_PASSCODE, "sign_on_id": b"sign-on2"},
    "another device": {"device_static": STRANGER, "rendezvous_root": bytes(32)},
    "the device's next generation": {"generation": Generation(1, b"\x6c" * 32)},
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("other", OTHERS)
def test_no_frame_of_another_sign_on_is_taken(name: str, other: str) -> None:
    """At each step: all frames of another sign-on, whole or cut to the length that is due."""
    recorded = Joined(Enrolment().with_(**OTHERS[other])).run()
    due = len(recorded.frames[name])
    replays = {part for f in recorded.frames.values() for part in (f, f[:due], f[-due:])}
    if (name, other) == ("H1", QUEUED_AGAIN):
        replays.remove(recorded.frames["H1"])  # the next test is about it
    for frame in replays:
        joined = Joined().run(until=name)
        with pytest.raises(ProtocolError):
            joined.deliver(name, frame)


def test_an_h1_replayed_within_its_sign_on_opens_and_leads_nowhere() -> None:
    """The agent answers it by a CONTEXT that only the device could read, to nobody."""
    recorded = Joined().run()
    joined = Joined()
    joined.deliver("H1", recorded.frames["H1"])
    context = joined.make("CONTEXT")
    assert b"anna" not in context
    for name in ("DECISION", "CONFIRM"):
        again = Joined()
        again.deliver("H1", recorded.frames["H1"])
        again.make("CONTEXT")
        with pytest.raises(ProtocolError):
            again.deliver("DECISION", recorded.frames[name])


@pytest.mark.parametrize("name", FRAMES)
def test_no_frame_of_this_sign_on_is_taken_at_another_step(name: str) -> None:
    """Reflection, too: what a side has said itself never comes back as the peer's word."""
    earlier = Joined().run(until=name).frames
    for source in earlier:
        if source != name:
            joined = Joined().run(until=name)
            with pytest.raises(ProtocolError):
                joined.deliver(name, joined.frames[source])


@pytest.mark.parametrize(
    ("crossed_from", "other"),
    [
        (step, other)
        for step, other in product(range(len(FRAMES)), OTHERS)
        if (step, other) != (0, QUEUED_AGAIN)  # the same device twice: either H1 is right
    ],
)
def test_crossed_pairs_come_to_nothing(crossed_from: int, other: str) -> None:
    """A relay pipes two sign-ons that run at the same time, and crosses them from one frame on."""
    one, two = Joined(), Joined(Enrolment().with_(**OTHERS[other]))
    for name in FRAMES[:crossed_from]:
        for joined in (one, two):
            joined.deliver(name, joined.make(name))
    name = FRAMES[crossed_from]
    of_one, of_two = one.make(name), two.make(name)
    for joined, frame in ((one, of_two), (two, of_one)):
        with pytest.raises(ProtocolError):
            joined.deliver(name, frame)


@pytest.mark.parametrize(
    ("agents", "validators"), [p for p in product(Mode, repeat=2) if p[0] is not p[1]]
)
def test_modes_do_not_mix(agents: Mode, validators: Mode) -> None:
    with pytest.raises(ProtocolError) as caught:
        Enrolment(mode=agents).agent().receive_h1(Enrolment(mode=validators).validator().h1())
    assert type(caught.value) is ProtocolError


# ---- a thief of the agent's store ----------------------------------------------------------------


class Thief:
    """Holds S_a's private half, K_rv, every R_g and S_v's public half: all that an agent stores.

    As the initiator it lacks S_v's private half. It can compute `es` and `ss` from the agent's side
    and so make an H1 that opens. `ephemeral` is its own key pair, or somebody's public key, whose
    Diffie-Hellman with S_a it can compute all the same.
    """

    def __init__(self, enrolment: Enrolment, ephemeral: X25519PrivateKey | bytes) -> None:
        self.enrolment = enrolment
        self.own_keys = [enrolment.agent_static, STRANGER]
        self.public = ephemeral if isinstance(ephemeral, bytes) else public_bytes(ephemeral)
        if isinstance(ephemeral, X25519PrivateKey):
            self.own_keys.append(ephemeral)
        self.device_public = enrolment.device_static.public_key()

    def _first_message(self) -> tuple[SymmetricState, bytes]:
        enrolment, agent_static = self.enrolment, self.enrolment.agent_static
        p = keys.passcode_input(enrolment.mode, enrolment.passcode)
        state = SymmetricState(KKPSK0.protocol_name)
        state.mix_hash(keys.prologue(enrolment.mode, enrolment.tag))
        state.mix_hash(self.device_public.public_bytes_raw())
        state.mix_hash(public_bytes(agent_static))
        state.mix_key_and_hash(keys.psk(enrolment.generation.root, p))
        state.mix_hash(self.public)
        state.mix_key(self.public)
        state.mix_key(agent_static.exchange(X25519PublicKey.from_public_bytes(self.public)))
        state.mix_key(agent_static.exchange(self.device_public))
        return state, self.public + state.encrypt_and_hash(H1Payload(0).encode())

    def h1(self) -> bytes:
        _, message = self._first_message()
        return message + keys.m1mac(self.enrolment.rendezvous_root, self.enrolment.tag, message)

    def guesses(self, agent_ephemeral: bytes) -> list[bytes]:
        """Every secret that the thief's keys give with a public key it has seen, and constants."""
        seen = (X25519PublicKey.from_public_bytes(agent_ephemeral), self.device_public)
        secrets = [key.exchange(public) for key in self.own_keys for public in seen]
        return [*secrets, agent_ephemeral, self.public, bytes(32), b""]

    def decision(self, context: bytes, ee: bytes, se: bytes) -> tuple[bool, bytes]:
        """Whether CONTEXT opens with these guesses, and a DECISION to approve under their keys.

        What CONTEXT said, the thief is told.
        """
        state, _ = self._first_message()
        state.mix_hash(context[:32])
        state.mix_key(context[:32])
        state.mix_key(ee)
        state.mix_key(se)
        try:
            state.decrypt_and_hash(context[32:])
        except ProtocolError:
            opened = False
        else:
            opened = True
        send, _ = state.split()
        shown = self.enrolment.context()
        decision = Decision(
            shown.sign_on_id,
            Verdict.APPROVE,
            hashlib.sha256(shown.encode()).digest(),
            bytes(32),
            passcode=self.enrolment.passcode,
        )
        return opened, send.encrypt(b"", decision.encode())


def challenged(thief: Thief) -> tuple[AgentSignOn, bytes]:
    """A sign-on of the agent that has taken the thief's H1, and its CONTEXT."""
    agent = thief.enrolment.agent()
    agent.receive_h1(thief.h1())
    return agent, agent.context(thief.enrolment.context())


EPHEMERALS = {
    "its own": STRANGER,
    "its own new one": X25519PrivateKey.from_private_bytes(b"\x77" * 32),
    "the device's static key": public_bytes(DEVICE),
    "the agent's static key": public_bytes(AGENT),
}


@pytest.mark.parametrize("ephemeral", EPHEMERALS.values(), ids=EPHEMERALS.keys())
def test_a_thief_of_the_agents_store_cannot_sign_on(ephemeral: X25519PrivateKey | bytes) -> None:
    thief = Thief(Enrolment(), ephemeral)
    _, context = challenged(thief)
    for ee, se in product(range(len(thief.guesses(context[:32]))), repeat=2):
        agent, context = challenged(thief)
        guesses = thief.guesses(context[:32])
        opened, decision = thief.decision(context, guesses[ee], guesses[se])
        assert not opened
        with pytest.raises(ProtocolError):
            agent.receive_decision(decision)


def test_with_the_devices_key_the_same_program_signs_on() -> None:
    """So the thief above is refused for the lack of this key, and for nothing else."""
    thief = Thief(Enrolment(), STRANGER)
    agent, context = challenged(thief)
    agent_ephemeral = X25519PublicKey.from_public_bytes(context[:32])
    ee, se = STRANGER.exchange(agent_ephemeral), DEVICE.exchange(agent_ephemeral)
    opened, decision = thief.decision(context, ee, se)
    assert opened
    assert agent.receive_decision(decision).verdict is Verdict.APPROVE


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[-8:])
def test_a_thief_gains_nothing_by_a_low_order_ephemeral(point: bytes) -> None:
    """With it all of `es` and `ee` would be zero; the agent refuses it before it answers."""
    with pytest.raises(ValueError, match="shared key"):
        Thief(Enrolment(), point).h1()
    message = point + bytes(32)
    mac = keys.m1mac(Enrolment().rendezvous_root, Enrolment().tag, message)
    with pytest.raises(ActivationFailedError):
        Enrolment().agent().receive_h1(message + mac)


def test_a_thief_with_its_own_static_key_is_counted() -> None:
    with pytest.raises(ActivationFailedError):
        Enrolment().agent().receive_h1(Enrolment(device_static=STRANGER).validator().h1())


def test_a_decision_about_the_thiefs_context_is_none_about_the_agents() -> None:
    """The thief stands between, shows the user a harmless context, and passes the approval on."""
    real = Enrolment()
    device, agent = real.validator(), real.agent()
    h1 = device.h1()
    agent.receive_h1(h1)
    agent.context(real.context())
    false_agent = real.agent()
    false_agent.receive_h1(h1)
    shown = device.receive_context(false_agent.context(replace(real.context(), note="harmless")))
    assert shown.note == "harmless"
    approval = device.decision(Verdict.APPROVE)
    with pytest.raises(ProtocolError):
        agent.receive_decision(approval)
    assert false_agent.receive_decision(approval).verdict is Verdict.APPROVE


def test_without_the_agents_static_key_nobody_poses_as_the_agent() -> None:
    """With K_rv and R_g alone, H1 does not open, and no CONTEXT is taken by the device."""
    device = Enrolment().validator()
    thief = PuppetAgent(Enrolment(agent_static=STRANGER))
    with pytest.raises(ProtocolError):
        thief.receive_h1(device.h1())
    owner = PuppetAgent(Enrolment())
    device = Enrolment().validator()
    owner.receive_h1(device.h1())
    device.receive_context(owner.context(Enrolment().context().encode()))
