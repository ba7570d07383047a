from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys
from protocol.agent_auth import public_bytes
from protocol.enrolment import (
    AgentEnrolment,
    EnrolAnswer,
    EnrolledKeys,
    NewDevice,
    Offer,
    ValidatorEnrolment,
)
from protocol.errors import ProtocolError
from protocol.kdf import kdf
from protocol.keys import Mode
from protocol.limits import ENROL_ANSWER_LENGTH, ENROL_REQUEST_LENGTH
from protocol.noise import IKPSK1, Handshake, HandshakeKeys
from protocol.ratchet import Generation
from protocol.signon_messages import pad
from tests.protocol.joined import AGENT, DEVICE, STRANGER, Enrolment, Joined
from tests.protocol.low_order import LOW_ORDER_POINTS

OFFER = Offer(
    agent_public=public_bytes(AGENT),
    secret=b"\x3e" * 32,
    expires=1_800_000_000,
    shard=77,
    relays=("relay.example.net:4817", "[2001:db8::7]:4817"),
    host="bastion",
)
ANSWER = EnrolAnswer("bastion.example.net", "anna", b"\x4f" * 32)


@dataclass
class Both:
    """The two machines of one enrolment."""

    agent: AgentEnrolment
    validator: ValidatorEnrolment


def both(agents: Offer = OFFER, validators: Offer = OFFER) -> Both:
    return Both(AgentEnrolment(agents, AGENT), ValidatorEnrolment(validators, DEVICE))


def enrolled() -> tuple[EnrolledKeys, EnrolledKeys]:
    """The keys that agent and validator derive."""
    pair = both()
    pair.agent.receive_e1(pair.validator.e1("anna's phone"))
    frame, of_agent = pair.agent.e2(ANSWER)
    _, of_validator = pair.validator.receive_e2(frame)
    return of_agent, of_validator


# ---- the two machines joined ---------------------------------------------------------------------


def test_each_side_learns_what_the_other_says() -> None:
    pair = both()
    device = pair.agent.receive_e1(pair.validator.e1("anna's phone"))
    assert device == NewDevice("anna's phone", public_bytes(DEVICE))
    frame, _ = pair.agent.e2(ANSWER)
    answer, _ = pair.validator.receive_e2(frame)
    assert answer == ANSWER


def test_both_derive_the_same_keys_and_digits() -> None:
    of_agent, of_validator = enrolled()
    assert of_agent == of_validator
    assert len(of_agent.rendezvous_root) == len(of_agent.ratchet_root) == 32
    assert of_agent.rendezvous_root != of_agent.ratchet_root
    assert len(of_agent.compare) == 6
    assert of_agent.compare.isdigit()


def test_every_enrolment_has_its_own_keys_even_with_one_offer() -> None:
    of_agents = [enrolled()[0] for _ in range(5)]
    assert len({k.rendezvous_root for k in of_agents} | {k.ratchet_root for k in of_agents}) == 10
    assert len({k.compare for k in of_agents}) > 1


def test_the_new_keys_prove_themselves_by_a_sign_on_without_passcode() -> None:
    of_agent, _ = enrolled()
    proof = Enrolment(
        rendezvous_root=of_agent.rendezvous_root,
        generation=Generation(0, of_agent.ratchet_root),
        mode=Mode.PROOF,
        passcode="",
    )
    joined = Joined(proof).run()
    assert joined.validator.tag == keys.tag(of_agent.rendezvous_root, b"\x05\x00")
    assert joined.validator.next_generation().root == joined.agent.next_root


@pytest.mark.parametrize("name", ["", "a", "ä" * 100])
def test_an_observer_sees_the_same_lengths_whatever_the_names(name: str) -> None:
    pair = both()
    e1 = pair.validator.e1(name)
    pair.agent.receive_e1(e1)
    e2, _ = pair.agent.e2(replace(ANSWER, host=name * 3, user=name))
    assert (len(e1), len(e2)) == (32 + 48 + 256 + 16, 32 + 512 + 16)
    pair.validator.receive_e2(e2)


def test_names_are_cleaned_and_cut_on_both_ways() -> None:
    pair = both()
    assert (
        pair.agent.receive_e1(pair.validator.e1("an\u202ena\n" + "x" * 99)).name
        == "anna" + "x" * 57 + "…"
    )
    frame, _ = pair.agent.e2(
        EnrolAnswer("h\u200bost" + "x" * 200, "u\x1bser" + "x" * 99, bytes(32))
    )
    answer, _ = pair.validator.receive_e2(frame)
    assert answer.host == "host" + "x" * 121 + "…"
    assert answer.user == "user" + "x" * 57 + "…"


# ---- order, and what is not the right frame ------------------------------------------------------


def test_calling_out_of_order_is_a_bug_of_the_caller() -> None:
    pair = both()
    for early in (lambda: pair.validator.receive_e2(bytes(560)), lambda: pair.agent.e2(ANSWER)):
        with pytest.raises(RuntimeError):
            early()
    e1 = pair.validator.e1("phone")
    pair.agent.receive_e1(e1)
    e2, _ = pair.agent.e2(ANSWER)
    pair.validator.receive_e2(e2)
    for late in (
        lambda: pair.validator.e1("phone"),
        lambda: pair.validator.receive_e2(e2),
        lambda: pair.agent.receive_e1(e1),
        lambda: pair.agent.e2(ANSWER),
    ):
        with pytest.raises(RuntimeError):
            late()


def flips_and_cuts(frame: bytes) -> list[bytes]:
    number, length = int.from_bytes(frame, "big"), len(frame)
    flips = ((number ^ (1 << bit)).to_bytes(length, "big") for bit in range(8 * length))
    return [*flips, *(frame[:end] for end in range(length)), frame + b"\0"]


def test_any_change_of_e1_is_refused_and_no_answer_can_follow() -> None:
    for changed in flips_and_cuts(both().validator.e1("phone")):
        pair = both()
        with pytest.raises(ProtocolError):
            pair.agent.receive_e1(changed)
        with pytest.raises(RuntimeError):
            pair.agent.e2(ANSWER)


def test_any_change_of_e2_is_refused() -> None:
    ephemeral = X25519PrivateKey.from_private_bytes(b"\x55" * 32)

    def validator() -> tuple[ValidatorEnrolment, bytes]:
        machine = ValidatorEnrolment(OFFER, DEVICE, ephemeral)
        return machine, machine.e1("phone")

    _, e1 = validator()
    agent = AgentEnrolment(OFFER, AGENT)
    agent.receive_e1(e1)
    e2, _ = agent.e2(ANSWER)
    for changed in flips_and_cuts(e2):
        machine, _ = validator()
        with pytest.raises(ProtocolError):
            machine.receive_e2(changed)
    machine, _ = validator()
    machine.receive_e2(e2)


@pytest.mark.parametrize(
    "other",
    [
        replace(OFFER, secret=bytes(32)),
        replace(OFFER, agent_public=public_bytes(STRANGER)),
    ],
    ids=["another secret", "another agent"],
)
def test_another_offer_does_not_fit(other: Offer) -> None:
    pair = both(validators=other)
    with pytest.raises(ProtocolError):
        pair.agent.receive_e1(pair.validator.e1("phone"))


def test_who_knows_the_offer_and_is_not_the_agent_cannot_answer() -> None:
    validator = ValidatorEnrolment(OFFER, DEVICE)
    e1 = validator.e1("phone")
    with pytest.raises(ProtocolError):
        AgentEnrolment(OFFER, STRANGER).receive_e1(e1)


def test_frames_of_another_enrolment_with_the_same_offer_do_not_fit() -> None:
    one, two = both(), both()
    one.agent.receive_e1(one.validator.e1("phone"))
    two.agent.receive_e1(two.validator.e1("phone"))
    e2, _ = one.agent.e2(ANSWER)
    with pytest.raises(ProtocolError):
        two.validator.receive_e2(e2)


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[-8:])
def test_an_offer_with_a_low_order_key_leads_nowhere(point: bytes) -> None:
    with pytest.raises(ProtocolError):
        ValidatorEnrolment(replace(OFFER, agent_public=point), DEVICE).e1("phone")


def puppet(initiator: bool) -> Handshake:
    own, remote = (DEVICE, public_bytes(AGENT)) if initiator else (AGENT, None)
    return Handshake(
        IKPSK1,
        initiator,
        keys.prologue(Mode.ENROLMENT, OFFER.tag),
        HandshakeKeys(own, remote, OFFER.secret),
    )


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        bytes(ENROL_REQUEST_LENGTH),
        pad({0: 2, 1: "phone"}, ENROL_REQUEST_LENGTH),
        pad({1: "phone"}, ENROL_REQUEST_LENGTH),
        pad({0: 1}, ENROL_REQUEST_LENGTH),
        pad({0: 1, 1: b"phone"}, ENROL_REQUEST_LENGTH),
        pad({0: 1, 1: "x" * 65}, ENROL_REQUEST_LENGTH),
        pad({0: 1, 1: "phone"}, ENROL_REQUEST_LENGTH - 1),
        pad({0: 1, 1: "phone"}, ENROL_ANSWER_LENGTH),
    ],
)
def test_e1_with_a_wrong_plaintext_is_refused(plaintext: bytes) -> None:
    with pytest.raises(ProtocolError):
        AgentEnrolment(OFFER, AGENT).receive_e1(puppet(initiator=True).write(plaintext))


@pytest.mark.parametrize(
    "fields",
    [
        {0: 2, 1: "host", 2: "anna", 3: bytes(32)},
        {0: 1, 1: b"host", 2: "anna", 3: bytes(32)},
        {0: 1, 1: "host", 2: None, 3: bytes(32)},
        {0: 1, 1: "host", 2: "anna", 3: bytes(31)},
        {0: 1, 1: "host", 2: "anna"},
        {0: 1, 1: "x" * 129, 2: "anna", 3: bytes(32)},
        {0: 1, 1: "host", 2: "x" * 65, 3: bytes(32)},
    ],
)
def test_e2_with_a_wrong_plaintext_is_refused(fields: dict[int, object]) -> None:
    validator, agent = ValidatorEnrolment(OFFER, DEVICE), puppet(initiator=False)
    agent.read(validator.e1("phone"))
    with pytest.raises(ProtocolError):
        validator.receive_e2(agent.write(pad(fields, ENROL_ANSWER_LENGTH)))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    pair = both()
    pair.validator.e1("phone")
    with pytest.raises(ProtocolError):
        pair.agent.receive_e1(data)
    with pytest.raises(ProtocolError):
        pair.validator.receive_e2(data)


def test_the_tag_comes_from_the_secret_alone() -> None:
    assert OFFER.tag == kdf(OFFER.secret, "tag", b"", 16)
