"""pure. The relay's configuration file as it is written: its tables and keys.

The docstrings are the reference: docs/reference-relay.md and deploy/config/relay.toml are made of
them, and relay.limits and relay.socket_options.
"""

from typing import Annotated

from msgspec import Meta, Struct

from daemons.log_settings import Log
from relay.limits import Limits
from relay.socket_options import SocketOptions

_ByProxy = Annotated[list[str] | None, Meta(examples=[["10.0.0.5", "2001:db8::/64"]])]

_Uid = Annotated[int, Meta(ge=0, le=2**32 - 2)]
"""The last number stands for nobody (setuid(2))."""


class AgentsListener(Struct, frozen=True, forbid_unknown_fields=True):
    """Where agents attach, a table for each listener. Without any: a Unix socket for this host's
    agent, /run/bartizan-relay/agents.sock."""

    listen: Annotated[str, Meta(examples=["tcp:[::]:4816"])]
    """`unix:/path`, where the system vouches for the agent, or `tcp:host:port`, where its key does:
    an inner address is best. `[::]` takes IPv4, too. A host name in the place of an address is
    looked up when the relay starts, and at a reload only if it is new in this file."""

    uids: Annotated[list[_Uid] | None, Meta(examples=[[0, 998]])] = None
    """On a Unix listener: the users that may attach, by number. Without it: root, the relay's own
    user, and bartizan-agent."""

    proxy_from: _ByProxy = None
    """On a TCP listener: as for validators."""


class ValidatorsListener(Struct, frozen=True, forbid_unknown_fields=True):
    """Where users' devices connect, a table for each listener. Without any: port 4817 of every
    address."""

    listen: Annotated[str, Meta(examples=["tcp:[::]:4817"])]
    """`tcp:host:port`; a host name is looked up as for agents."""

    proxy_from: _ByProxy = None
    """Addresses and networks of proxies. Connections then come from these only, and each begins
    with a header of the PROXY protocol, version 2. Without it none does; this is never guessed."""


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Figures for Prometheus; they name nobody: `GET /metrics`."""

    listen: Annotated[str | None, Meta(examples=["unix:/run/bartizan-relay/metrics.sock"])] = None
    """`unix:/path`, for root, the relay's user and its group, or `tcp:ADDRESS:PORT` with a loopback
    address, for everybody on this host. Without it there are none."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    key: str = ""
    """The file of the relay's private link key; needed when agents attach by TCP. A name without a
    slash is a credential of the service manager's (LoadCredential=), which is read when the service
    starts. Empty: the credential `relay.key`, else /etc/bartizan/relay.key."""

    agents_file: str = "/etc/bartizan/relay.agents"
    """The agents' public link keys, a line each; needed when agents attach by TCP."""

    admin_socket: str = ""
    """Where the other commands find the relay. It hears only root and the relay's own user. Empty:
    NAME-admin.sock, where this file is NAME.toml, beside the first Unix socket for agents, else in
    /run/bartizan-relay."""

    agents: list[AgentsListener] = []

    validators: list[ValidatorsListener] = []

    limits: Limits = Limits()

    sockets: SocketOptions = SocketOptions()

    log: Log = Log()

    metrics: Metrics = Metrics()
