"""A device that is already enrolled: its record here, its counterpart at a DirectAgent."""

import secrets
import time
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.ratchet import Generation, Ratchet
from tests.support.direct_agent import Device, DirectAgent
from validator.record import Record, State

SOME_RELAY = "127.0.0.1:1"


def pair(
    agent: DirectAgent, *, relays: tuple[str, ...] = (), state: State = State.ACTIVE
) -> Record:
    """A new device of the agent's user; `relays` in place of the agent's own."""
    static = X25519PrivateKey.generate()
    rendezvous_root, root = secrets.token_bytes(32), secrets.token_bytes(32)
    agent.devices.append(
        Device(
            "laptop",
            static.public_key().public_bytes_raw(),
            rendezvous_root,
            Ratchet(Generation(0, root)),
            "000000",
            proved=True,
        )
    )
    return Record(
        host=agent.host,
        user=agent.user,
        device="laptop",
        agent_public=agent.static.public_key().public_bytes_raw(),
        static=static.private_bytes_raw(),
        rendezvous_root=rendezvous_root,
        generation=Generation(0, root),
        shard=agent.shard,
        relays=relays or (agent.address or SOME_RELAY,),
        enrolled_at=int(time.time()),
        state=state,
    )


def record(host: str = "web1", user: str = "alice", **fields: Any) -> Record:
    """A record whose host does not matter."""
    return replace(pair(DirectAgent(host=host, user=user)), **fields)
