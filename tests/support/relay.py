"""A real relay in the test's nursery, on loopback and on a Unix socket in the test's own folder."""

from dataclasses import dataclass, field
from pathlib import Path

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.address import TcpAddress, UnixAddress
from relay import config, server
from relay.activation import open_listeners
from relay.limits import Limits
from relay.proxies import Proxies
from relay.records import Record
from relay.server import Relay
from relay.socket_options import SocketOptions
from relay.switch import Listener


@dataclass
class RunningRelay:
    """Where it listens, and what it has recorded so far."""

    relay: Relay
    key: X25519PrivateKey
    unix: UnixAddress
    agents: TcpAddress
    validators: TcpAddress
    listeners: list[Listener]
    records: list[Record] = field(default_factory=list)


async def start_relay(
    nursery: trio.Nursery,
    directory: Path,
    *,
    limits: Limits | None = None,
    agents: dict[bytes, str] | None = None,
    validators: TcpAddress | None = None,
    proxies: Proxies = (),
) -> RunningRelay:
    """`agents` are the link public keys that may attach by TCP, and their names.

    `validators` is where to listen for those, if not on any port of 127.0.0.1. With `proxies`,
    both TCP listeners are behind these.
    """
    key = X25519PrivateKey.generate()
    unix = UnixAddress(str(directory / "agents.sock"))
    loopback = TcpAddress("127.0.0.1", 0)
    own = config.default_uids()
    plan = config.Plan(
        (
            config.ListenerPlan(unix, own),
            config.ListenerPlan(loopback, own, proxies),
            config.ListenerPlan(validators or loopback, None, proxies),
        ),
        key,
        agents or {},
        limits or Limits(),
        SocketOptions(),
        config.Log(),
    )
    records: list[Record] = []
    listeners = open_listeners(plan)
    relay: Relay = await nursery.start(server.serve, plan, listeners, records.extend)
    by_tcp, by_validators = relay.agents[1], relay.validators[0]
    assert isinstance(by_tcp, TcpAddress)
    assert isinstance(by_validators, TcpAddress)
    return RunningRelay(relay, key, unix, by_tcp, by_validators, listeners, records)
