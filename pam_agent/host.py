"""shell. What every sign-on and enrolment of this host shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pam_agent.accounts import Accounts
from pam_agent.buckets import Buckets
from pam_agent.code_store import Codes
from pam_agent.lease_uses import LeaseUses
from pam_agent.leases import Leases
from pam_agent.pending import Pending
from pam_agent.policy import MOST_REQUESTERS, REQUEST_BURST, REQUEST_SECONDS, Timers
from pam_agent.records import AgentIdentity
from pam_agent.relay_link import RelayLink
from pam_agent.service_policy import ServicePolicy
from pam_agent.sign_ons import SignOns
from pam_agent.waiting import Calls, Silent, Waiting


@dataclass(frozen=True, eq=False)
class Host:
    """As it was when a sign-on began: a new configuration makes another one.

    `clock` gives seconds that go on while the host sleeps (CLOCK_BOOTTIME), for deadlines;
    `wall_clock` Unix seconds, for records and display."""

    label: str
    validators: tuple[str, ...]
    identity: AgentIdentity
    accounts: Accounts
    links: tuple[RelayLink, ...]
    timers: Timers
    callers: Mapping[str, tuple[str, ...]]
    services: Mapping[str, ServicePolicy]
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    codes: Codes
    leases: Leases
    lease_uses: LeaseUses = field(default_factory=LeaseUses)
    waiting: Waiting = field(default_factory=Waiting)
    requests: Buckets[str] = field(
        default_factory=lambda: Buckets(REQUEST_BURST, REQUEST_SECONDS, MOST_REQUESTERS)
    )
    """Of each account, at the relays."""
    pending: Pending = field(default_factory=Pending)
    silent: Silent = field(default_factory=Silent)
    calls: Calls = field(default_factory=Calls)
    sign_ons: SignOns = field(default_factory=SignOns)
