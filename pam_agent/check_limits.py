"""pure. Limits of other programs, as they stand in their files: how long they wait for sign-ons."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pam_agent.check_finding import Finding, mistake
from pam_agent.service_policy import ServicePolicy

LOGIN_TIMEOUT: Final = 60
"""Seconds: login's own default."""
AUTHENTICATION_TIMEOUT: Final = 60.0
"""Seconds: PostgreSQL's own default."""

_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_LOGIN: Final = re.compile(r"^\s*LOGIN_TIMEOUT\s+(\d+)", re.MULTILINE)
_POSTGRESQL: Final = re.compile(
    r"^\s*authentication_timeout\s*=?\s*'?(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)'?\s*(?:#.*)?$",
    re.MULTILINE | re.IGNORECASE,
)


def login(path: str, text: str | None, policy: ServicePolicy) -> Iterator[Finding]:
    """Of /etc/login.defs; None when there is none."""
    found = _LOGIN.findall(text or "")
    seconds = int(found[-1]) if found else LOGIN_TIMEOUT
    if 0 < seconds < policy.timers.sign_on:
        yield _too_short("login-timeout", "login", path, "LOGIN_TIMEOUT", seconds, policy)


def postgresql(service: str, path: str, text: str, policy: ServicePolicy) -> Iterator[Finding]:
    """Of a postgresql.conf, for one of the PAM services that pg_hba.conf may name."""
    found = _POSTGRESQL.findall(text)
    seconds = AUTHENTICATION_TIMEOUT
    if found:
        number, unit = found[-1]
        seconds = float(number) * _UNITS[unit.lower()]
    if seconds < policy.timers.sign_on:
        yield _too_short(
            "postgresql-timeout", service, path, "authentication_timeout", seconds, policy
        )


def _too_short(
    word: str, service: str, path: str, key: str, seconds: float, policy: ServicePolicy
) -> Finding:
    longest = policy.timers.sign_on
    return mistake(
        word,
        service,
        path,
        f"{key} is {seconds:g} s, and a sign-on may last {longest:.0f} s: it would be given up"
        " before.",
        f"Set {key} to {longest + 10:.0f} s, or lower sign_on in [services.{service}].",
    )


def callers(service: str, callers: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Of the agent's [callers], for PostgreSQL, whose server asks as a user of its own."""
    if not any(service in services for services in callers.values()):
        yield mistake(
            "caller-unknown",
            service,
            "/etc/bartizan/agent.toml",
            "PostgreSQL's server runs as a user of its own, and the agent lets only root ask for"
            " others: every sign-on ends as not-allowed.",
            f'Write `postgres = ["{service}"]` under [callers].',
        )
