"""pure. The agent's configuration file as it is written: its tables and keys.

The docstrings are the reference: docs/reference-agent.md and deploy/agent.toml are made of them.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from daemons.log_settings import Log
from pam_agent.policy import Timers
from pam_agent.service_policy import ServiceTable


class RelayTable(Struct, forbid_unknown_fields=True):
    """A relay that the agent keeps a link to, a table for each. A sign-on is queued at all of them,
    and the first that brings a good device wins. Without any: a relay on this host, by
    /run/bartizan-relay/agents.sock."""

    link: Annotated[str, Meta(examples=["tcp:relay.internal.example.org:4816"])]
    """Where the relay takes agents: `tcp:host:port`, or `unix:/path` for a relay on this host."""

    validators: Annotated[list[str], Meta(examples=[["relay.example.org:4817"]])]
    """Where devices reach the relay, each a `host:port`. A new device is told all of them; at most
    4 of all relays together, since an enrolment code has to be typeable."""

    key: Annotated[str | None, Meta(examples=["mq3Vv0PuCcQ0nYXrQ1mZy1pCkYJXx6v4pZl5m0cS2Uo="])] = (
        None
    )
    """For tcp, and needed there: the relay's public key in base64, as `bartizan-relay public-key`
    prints it. On a Unix socket the system vouches for the relay."""


class MetricsTable(Struct, forbid_unknown_fields=True):
    """Figures for Prometheus; they name no user: `GET /metrics`."""

    listen: Annotated[str | None, Meta(examples=["unix:/run/bartizan-agent/metrics.sock"])] = None
    """`unix:/path`, for root, the agent's user and its group, or `tcp:ADDRESS:PORT` with a loopback
    address, for everybody on this host. Without it there are none."""


class AgentFile(Struct, forbid_unknown_fields=True):
    """The whole file. What is missing is the default: a relay on the same machine."""

    host: Annotated[str | None, Meta(examples=["web1"])] = None
    """The host's label, which users see on their devices, at most 128 bytes. Without it: the host's
    name."""

    state: str = "/var/lib/bartizan-agent"
    """The folder of the store, made with mode 0700 when it is missing. One that others may read, or
    that belongs to another user, is refused."""

    socket: str = "/run/bartizan-agent/pam.sock"
    """Where pam_bartizan finds the agent."""

    admin_socket: str = "/run/bartizan-agent/admin.sock"
    """Where the other commands find it. It hears only root and the agent's own user."""

    relays: list[RelayTable] | None = None

    timers: Timers = msgspec.field(default_factory=Timers)

    callers: Annotated[dict[str, list[str]], Meta(examples=[{"postgres": ["postgresql"]}])] = (
        msgspec.field(default_factory=dict)
    )
    """Who may ask for whom. root may for everybody, and each user for itself. Further ones are
    named here, with the PAM services that they may ask with, for any user."""

    services: Annotated[dict[str, ServiceTable], Meta(examples=["vsftpd"])] = msgspec.field(
        default_factory=dict
    )

    log: Log = Log()

    metrics: MetricsTable = msgspec.field(default_factory=MetricsTable)
