"""pure. What an operator may choose, checked and in the types that the agent works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemons.log_settings import Log
from pam_agent.policy import Timers
from pam_agent.service_policy import ServicePolicy
from protocol.address import TcpAddress, UnixAddress


@dataclass(frozen=True)
class Relay:
    """A relay that the agent keeps a link to.

    `key` is the relay's public key (32 bytes), None on a Unix socket. `validators` is where
    validators reach it, as an enrolment hands it out.
    """

    link: UnixAddress | TcpAddress
    key: bytes | None
    validators: tuple[TcpAddress, ...]


@dataclass(frozen=True)
class Config:
    """`host` is the label that users see on the device. Paths are absolute.

    `metrics` is where Prometheus finds them: a Unix socket or a loopback address.
    `callers` names, by Unix user, the PAM services that it may ask with for anybody. `services` has
    a policy for each service that the configuration names.
    """

    host: str
    state: Path
    socket: Path
    admin_socket: Path
    relays: tuple[Relay, ...]
    timers: Timers = field(default_factory=Timers)
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    services: Mapping[str, ServicePolicy] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    metrics: UnixAddress | TcpAddress | None = None

    @property
    def validators(self) -> tuple[str, ...]:
        """Where validators reach any of the relays, as `host:port`, each once."""
        return tuple(dict.fromkeys(str(each) for relay in self.relays for each in relay.validators))
