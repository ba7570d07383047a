"""pure. What an operator may choose: every limit of the relay, its default and the reason."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=10_000_000)]
Price = Annotated[float, msgspec.Meta(gt=0, le=10_000_000)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the relay bears, and for how long. Times are in seconds, sizes in bytes; each default
    suits most."""

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

    request_rate: Rate = 100.0
    """Requests that one agent may queue in a second, for long: far more than people sign on at one
    host, and a bad agent then costs a hundredth of a processor. At once it may queue twice its
    `requests_per_agent`, so an agent that comes back with all it has is not hurt, nor one that
    comes back again."""

    longest_ttl: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 600
    """Life of a request: an enrolment's 10 minutes is the longest there is."""

    incomplete: Count = 4096
    """Validators that have not said yet what they want. At the cap the oldest one goes: at ten
    thousand newcomers a second an honest one has 400 ms for its first 40 bytes, which its own
    system sends along with the connection."""

    held: Count = 4096
    """Validators that wait for their request or, being no good, for their reset. At the cap the
    oldest one goes. Four thousand relogins may so wait out a relay's restart."""

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

    source_rate: Rate = 1.0
    """Debt that drains in a second, for one source: an IPv4 address or an IPv6 /64. A connection
    costs 1 until it is answered, and nothing then. So an office behind one address is not counted
    at all as long as its sign-ons are good, and who mistyped has paid for it in two seconds."""

    source_burst: Count = 300
    """Debt at which newcomers of a source are refused: some hundred users of an office who all
    mistype on one Monday morning."""

    network_rate: Rate = 5.0
    """The same for a network, an IPv4 /24 or an IPv6 /48: five sources at their limit."""

    network_burst: Count = 1500
    """The same."""

    crowd_rate: Rate = 1000.0
    """Strangers of all sources in a second, for long: connections that came to nothing, or not yet
    to anything. Beyond them there is a crowd, and a source that owes anything, or has a connection
    that is not answered yet, is refused. A fiftieth of a processor, and more than ever mistype."""

    crowd_burst: Count = 2000
    """Strangers at once until there is a crowd: half of the kernel's queue."""

    unanswered_per_source: Count = 256
    """Connections of one source that no agent has answered yet. An honest one is answered within a
    round trip."""

    unanswered_per_network: Count = 1024
    """The same for a network: a quarter of the places for those that are incomplete."""

    silent_price: Price = 3.0
    """What a connection costs in the end that never said what it wants: a scanner, or a user whose
    network went away."""

    unmatched_price: Price = 2.0
    """What one costs that named a tag and was never answered, whatever the reason: a user who
    mistyped or came late, and who guesses. It is one price so that no refusal tells what became of
    a tag."""

    malformed_price: Price = 10.0
    """What one costs that spoke another language: no validator and no agent ever does."""

    longest_refusal: Seconds = 60.0
    """The time after which any source is let in again that has left off: no debt grows beyond."""

    sources: Count = 65_536
    """Sources that are remembered, and networks: below 25 MiB of memory for each of both. Settled
    ones are forgotten first, then those that came longest ago."""

    drain: Seconds = 10.0
    """From the signal to stop until running transactions are cut off."""

    @property
    def connections(self) -> int:
        """Of all kinds, at all their caps."""
        return self.links + self.incomplete + self.held + self.transactions
