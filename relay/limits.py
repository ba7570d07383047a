"""pure. What an operator may choose: every limit of the relay, its default and the reason."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[limits]` table. Times are seconds, sizes bytes."""

    links: Count = 1024
    """Agents' links in all, those being set up included: one per host, and room for reconnects.
    At the cap the oldest that is not attached goes."""

    link_setup: Seconds = 5.0
    """From accept to Attached: two round trips on the inner network, with room for a slow host."""

    link_buffer: Count = 1024 * 1024
    """Unsent bytes for one link when its socket takes no more: some 60 whole transactions. A link
    over it does not read."""

    requests: Count = 100_000
    """Waiting and running requests in all: below 60 MiB of memory."""

    requests_per_agent: Count = 1024
    """The same for one agent: as many as an agent lets wait."""

    longest_ttl: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 600
    """Life of a request: an enrolment's 10 minutes is the longest there is."""

    unpaired: Count = 4096
    """Validators' connections that are not paired. At the cap the oldest one goes."""

    hold: Seconds = 5.0
    """From accept to the reset of a validator that was no good. Long enough to bridge a relay's
    restart, short enough that a user who mistyped does not wonder."""

    hold_jitter: Seconds = 0.25
    """Random addition to `hold`, so that the moment of a reset tells nothing."""

    transactions: Count = 4096
    """Running transactions in all: each costs a descriptor."""

    stall: Seconds = 90.0
    """A transaction without a frame: above an agent's 45 s acknowledgement window."""

    lifetime: Seconds = 330.0
    """A transaction from pairing to its end: above an agent's 300 s for a whole sign-on."""

    send_timeout: Seconds = 10.0
    """Bytes that a validator does not take: longer than a phone's change of network."""

    drain: Seconds = 10.0
    """From the signal to stop until running transactions are cut off."""
