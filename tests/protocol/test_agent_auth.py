from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import structs

from protocol.agent_auth import NO_KEY, AgentHandshake, RelayHandshake, public_bytes
from protocol.errors import ProtocolError
from protocol.messages import Attach, Attached, Challenge, Hello
from tests.protocol.low_order import LOW_ORDER_POINTS

ATTACHED = Attached(100, 300)
AGENT = X25519PrivateKey.from_private_bytes(bytes(range(32)))
RELAY = X25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
STRANGER = X25519PrivateKey.from_private_bytes(bytes(range(64, 96)))


@dataclass
class Link:
    """Both ends of a link on TCP."""

    agent: AgentHandshake
    relay: RelayHandshake


def link(agent: X25519PrivateKey = AGENT, trusted_relay: X25519PrivateKey = RELAY) -> Link:
    return Link(AgentHandshake(agent, public_bytes(trusted_relay)), RelayHandshake(RELAY))


def test_agent_and_relay_prove_their_keys() -> None:
    ends = link()
    challenge = ends.relay.hello(ends.agent.hello(), known=True)
    attach = ends.agent.challenged(challenge)
    assert ends.relay.attach(attach)
    ends.agent.attached(ATTACHED)


def test_hello_names_the_agents_public_key() -> None:
    hello = link().agent.hello()
    assert hello.link_key == public_bytes(AGENT)
    assert len(hello.nonce) == 16


def test_on_a_unix_socket_no_key_is_named_and_nothing_proved() -> None:
    agent = AgentHandshake(None, None)
    assert agent.hello().link_key == NO_KEY == bytes(32)
    agent.attached(ATTACHED)


def test_an_unknown_key_gets_a_challenge_like_any_other() -> None:
    """Same type, same lengths; new random bytes each time, so that nothing can be compared."""
    hello = link(agent=STRANGER).agent.hello()
    challenges = [RelayHandshake(RELAY).hello(hello, known=False) for _ in range(20)]
    known = [RelayHandshake(RELAY).hello(hello, known=True) for _ in range(20)]
    for answers in (challenges, known):
        assert {(type(c), len(c.nonce), len(c.mac)) for c in answers} == {(Challenge, 16, 16)}
        assert len({c.nonce for c in answers}) == len({c.mac for c in answers}) == 20


def test_an_unknown_agent_does_not_get_in_with_a_right_proof() -> None:
    """Even one that could make the mac: a relay that forgets a key forgets it at once."""
    ends = link()
    hello = ends.agent.hello()
    right = RelayHandshake(RELAY)
    real = right.hello(hello, known=True)
    ends.relay.hello(hello, known=False)
    assert not ends.relay.attach(ends.agent.challenged(real))


def test_an_unknown_agent_sees_a_wrong_relay() -> None:
    ends = link()
    with pytest.raises(ProtocolError, match="does not know this agent"):
        ends.agent.challenged(ends.relay.hello(ends.agent.hello(), known=False))


def test_a_relay_with_another_key_is_refused() -> None:
    ends = link(trusted_relay=STRANGER)
    with pytest.raises(ProtocolError):
        ends.agent.challenged(ends.relay.hello(ends.agent.hello(), known=True))


def test_an_agent_with_another_key_is_refused() -> None:
    """A stranger names the agent's public key, which is no secret, and guesses the rest."""
    ends = link(agent=STRANGER)
    stolen = Hello(public_bytes(AGENT), ends.agent.hello().nonce)
    challenge = ends.relay.hello(stolen, known=True)
    with pytest.raises(ProtocolError):
        ends.agent.challenged(challenge)
    for mac in (bytes(16), challenge.mac, challenge.nonce, stolen.nonce):
        assert not ends.relay.attach(Attach(mac))


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[-8:])
def test_a_low_order_key_is_refused_on_both_sides(point: bytes) -> None:
    relay = RelayHandshake(RELAY)
    for known in (True, False):
        with pytest.raises(ProtocolError):
            relay.hello(Hello(point, bytes(16)), known)
    assert not relay.attach(Attach(bytes(16)))
    with pytest.raises(ProtocolError):
        AgentHandshake(AGENT, point).challenged(Challenge(bytes(16), bytes(16)))


def test_a_relay_that_skips_its_proof_is_refused() -> None:
    agent = link().agent
    agent.hello()
    with pytest.raises(ProtocolError, match="before Challenge"):
        agent.attached(ATTACHED)


def test_a_challenge_out_of_place_is_refused() -> None:
    ends = link()
    challenge = ends.relay.hello(ends.agent.hello(), known=True)
    ends.agent.challenged(challenge)
    with pytest.raises(ProtocolError, match="out of place"):
        ends.agent.challenged(challenge)
    with pytest.raises(ProtocolError, match="out of place"):
        AgentHandshake(None, None).challenged(challenge)


def test_a_failed_challenge_proves_nothing() -> None:
    agent = link().agent
    with pytest.raises(ProtocolError):
        agent.challenged(Challenge(bytes(16), bytes(16)))
    with pytest.raises(ProtocolError):
        agent.attached(ATTACHED)


def test_attach_before_hello_is_refused() -> None:
    assert not RelayHandshake(RELAY).attach(Attach(bytes(16)))


def test_the_relays_own_mac_is_no_proof_of_the_agent() -> None:
    ends = link()
    hello = ends.agent.hello()
    challenge = ends.relay.hello(hello, known=True)
    assert not ends.relay.attach(Attach(challenge.mac))


def test_a_mac_reflected_with_swapped_nonces_is_no_proof() -> None:
    """A stranger plays the relay's own Challenge to another of its links, nonces exchanged."""
    hello = link().agent.hello()
    first = RelayHandshake(RELAY)
    challenge = first.hello(hello, known=True)
    second = RelayHandshake(RELAY).hello(Hello(hello.link_key, challenge.nonce), known=True)
    assert not first.attach(Attach(second.mac))


def test_recorded_messages_do_not_open_a_second_link() -> None:
    ends = link()
    hello = ends.agent.hello()
    challenge = ends.relay.hello(hello, known=True)
    attach = ends.agent.challenged(challenge)
    assert ends.relay.attach(attach)
    later = link()
    later.relay.hello(hello, known=True)
    assert not later.relay.attach(attach)
    with pytest.raises(ProtocolError):
        later.agent.challenged(challenge)


@pytest.mark.parametrize("field", ["nonce", "mac"])
def test_every_bit_of_a_challenge_counts(field: str) -> None:
    ends = link()
    challenge = ends.relay.hello(ends.agent.hello(), known=True)
    for bit in range(128):
        changed = structs.replace(challenge, **{field: flipped(getattr(challenge, field), bit)})
        with pytest.raises(ProtocolError):
            ends.agent.challenged(changed)
    ends.agent.challenged(challenge)


def test_every_bit_of_an_attach_counts() -> None:
    ends = link()
    attach = ends.agent.challenged(ends.relay.hello(ends.agent.hello(), known=True))
    assert not any(ends.relay.attach(Attach(flipped(attach.mac, bit))) for bit in range(128))
    assert ends.relay.attach(attach)


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(len(data), "big")
