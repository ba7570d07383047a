"""pure. Limits of other programs, as they stand in their files: how long each waits for a sign-on,
and for how long sudo asks nobody again."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pam_agent.check_finding import Finding, mistake, note
from pam_agent.service_policy import ServicePolicy

SUDO_SERVICES: Final = ("sudo", "sudo-i")
SUDO_TIMESTAMP: Final = 15.0
"""Minutes: sudo's own default of timestamp_timeout."""
LOGIN_TIMEOUT: Final = 60
"""Seconds: login's own default."""
AUTHENTICATION_TIMEOUT: Final = 60.0
"""Seconds: PostgreSQL's own default."""

_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DEFAULTS: Final = re.compile(r"^\s*Defaults\s+(.*)$")
_TIMESTAMP: Final = re.compile(r"(!?)timestamp_timeout\s*(?:=\s*\"?(-?[\d.]+)\"?)?")
_NOPASSWD: Final = re.compile(r"\bNOPASSWD\s*:")
_LOGIN: Final = re.compile(r"^\s*LOGIN_TIMEOUT\s+(\d+)", re.MULTILINE)
_POSTGRESQL: Final = re.compile(
    r"^\s*authentication_timeout\s*=?\s*'?(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)'?\s*(?:#.*)?$",
    re.MULTILINE | re.IGNORECASE,
)


def sudo(service: str, texts: Mapping[str, str]) -> Iterator[Finding]:
    """Of sudoers' files, by path in the order that sudo reads them."""
    minutes, where = SUDO_TIMESTAMP, next(iter(texts), "/etc/sudoers")
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            said = _DEFAULTS.match(line)
            found = None if said is None else _TIMESTAMP.search(said[1])
            if found is not None:
                minutes = 0.0 if found[1] else float(found[2] or 0)
                where = f"{path}:{number}"
            elif said is None and not line.lstrip().startswith("#") and _NOPASSWD.search(line):
                yield note(
                    "sudo-nopasswd",
                    service,
                    f"{path}:{number}",
                    "for what NOPASSWD names sudo asks nobody, and so not for the factor.",
                )
    if minutes:
        lasts = f"for {minutes:g} minutes" if minutes > 0 else "until the next start of the host"
        yield mistake(
            "sudo-timestamp",
            service,
            where,
            f"sudo remembers a sign-on: {lasts} it asks nobody again in that terminal, whatever the"
            " command is.",
            "Write `Defaults timestamp_timeout=0` into a file in /etc/sudoers.d, with visudo.",
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
