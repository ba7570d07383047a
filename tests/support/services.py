"""Policies of services, as a configuration that names a few keys makes them."""

from typing import Any

from pam_agent.methods import Method
from pam_agent.policy import Timers
from pam_agent.service_policy import ServicePolicy, ServiceTable, policy
from tests.support.agent import QUICK


def service(name: str, *, timers: Timers = QUICK, **keys: Any) -> ServicePolicy:
    """What `[services.NAME]` with these keys comes to, beside `timers`."""
    return policy(name, ServiceTable(**keys), timers)


def with_codes(name: str, *, timers: Timers = QUICK, **keys: Any) -> ServicePolicy:
    """The same where codes may be typed beside approvals."""
    return service(name, timers=timers, methods=[Method.APPROVE, Method.CODE], **keys)
