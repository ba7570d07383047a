"""shell. One call of the PAM module: who asks, for whom, and what of that is believed."""

from functools import cached_property
from typing import Final

import structlog

from pam_agent.host import Host
from pam_agent.leases import LeaseKey, is_address
from pam_agent.local_socket import Caller
from pam_agent.local_wire import Start
from pam_agent.policy import trusted
from pam_agent.records import Device
from pam_agent.schema import StoreError
from pam_agent.service_policy import ServicePolicy, policy_of
from pam_agent.steps import Steps
from protocol import sign_on_id

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Call:
    """What every part of a sign-on knows of it, and the steps that it has taken."""

    def __init__(self, host: Host, caller: Caller, start: Start) -> None:
        self.host: Final = host
        self.caller: Final = caller
        self.start: Final = start
        self.trusted: Final = trusted(caller.uid, caller.name, start.service, host.callers)
        """Whether what the caller says is believed."""
        self.id: Final = sign_on_id.generate()
        self.steps: Final = Steps(host.clock())
        self.account = start.user
        """Whose devices count; the store knows of other names."""
        self.device: Device | None = None
        """The one by which it was decided, or that is asked now."""
        self.joined = b""
        """The id of the sign-on that this one has waited with."""

    @cached_property
    def policy(self) -> ServicePolicy:
        return policy_of(self.start.service, self.host.services, self.host.timers)

    @property
    def short_id(self) -> str:
        return sign_on_id.display(self.id)

    @property
    def first_factor(self) -> str:
        """What surely held before, by PAM's word or by the configuration's; "" for nothing."""
        return (self.start.first_factor or self.policy.first_factor) if self.trusted else ""

    def lease_key(self, typed: bytes = b"") -> LeaseKey | None:
        """By what others may be let in with it, or None for nothing.

        `typed` is the mark of a secret. Without one, a first factor must have held, and there must
        be an IP address: else the lease would let in whoever comes.
        """
        start = self.start
        if not self.policy.lease:
            return None
        if not typed and not (self.first_factor and is_address(start.rhost)):
            return None
        return LeaseKey(
            self.caller.uid,
            start.user,
            self.account,
            start.service,
            start.rhost,
            self.first_factor,
            typed,
        )

    def mark(self, step: str) -> None:
        self.steps.mark(step, self.host.clock())

    def log_store(self, error: StoreError) -> None:
        """Tell the operator why it ends as SignOnEnd.STORE_FAILED, or what could not be counted."""
        _log.error("store failed", sign_on_id=self.short_id, reason=str(error))
