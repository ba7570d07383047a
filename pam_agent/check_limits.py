"""pure. How long other programs wait for a sign-on, as it stands in their files."""

import re
from collections.abc import Iterator
from typing import Final

from pam_agent.check_finding import Finding, mistake
from pam_agent.service_policy import ServicePolicy

LOGIN_TIMEOUT: Final = 60.0
"""Seconds: login's own default."""

_LOGIN: Final = re.compile(r"^\s*LOGIN_TIMEOUT\s+(\d+)", re.MULTILINE)


def login(path: str, text: str | None, policy: ServicePolicy) -> Iterator[Finding]:
    """Of /etc/login.defs; None when there is none."""
    found = _LOGIN.findall(text or "")
    seconds = float(found[-1]) if found else LOGIN_TIMEOUT
    if 0 < seconds < policy.timers.sign_on:
        yield too_short("login-timeout", "login", path, "LOGIN_TIMEOUT", seconds, policy)


def too_short(
    word: str, service: str, path: str, key: str, seconds: float, policy: ServicePolicy
) -> Finding:
    """Of a program that gives up after `seconds`, by its setting `key`."""
    longest = policy.timers.sign_on
    return mistake(
        word,
        service,
        path,
        f"{key} is {seconds:g} s, and a sign-on may last {longest:.0f} s: it would be given up"
        " before.",
        f"Set {key} to {longest + 10:.0f} s, or lower sign_on in [services.{service}].",
    )
