"""pure. What an operator may choose of what the kernel does for the relay's connections."""

from typing import Annotated

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=1, le=32_767)]
SecondsOrOff = Annotated[int, msgspec.Meta(ge=0, le=3600)]


class SocketOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the kernel does for the relay's connections, on all listeners. Times are whole seconds,
    0 is off."""

    backlog: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 4096
    """Connections of a listener that the kernel holds until they are accepted: what comes in the
    relay's longest pause. The kernel cuts this to net.core.somaxconn."""

    keepalive_idle: Seconds = 15
    """Silence on a TCP connection until the kernel asks whether its peer is still there. Below the
    20 s of a link's own ping, and well below `stall`: a device that is gone frees its request."""

    keepalive_interval: Seconds = 5
    """Between two such questions: a lost packet or two is no death."""

    keepalive_count: Annotated[int, msgspec.Meta(ge=1, le=127)] = 3
    """Questions without an answer until a connection has ended, where `user_timeout` is 0: with
    `keepalive_idle`, 30 s. Linux goes by `user_timeout` where there is one."""

    user_timeout: SecondsOrOff = 30
    """Sent bytes, or questions, that the peer's kernel does not acknowledge: three times
    `send_timeout`, as a phone may come back from a tunnel; below a link's 60 s of silence. With 0
    the kernel itself tries for some 15 minutes."""

    defer_accept: SecondsOrOff = 0
    """Validators that have not sent a byte are kept by the kernel for so long, and cost the relay
    neither a descriptor nor a place. Off: time counts from accept, so who is silent would be reset
    later than all others that are no good."""
