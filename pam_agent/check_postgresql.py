"""pure. The mistakes in what PostgreSQL is told of PAM, and the agent of PostgreSQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from pam_agent.check_finding import Finding, mistake, note, unchecked
from pam_agent.check_limits import too_short
from pam_agent.postgresql_conf import PAM_SERVICE, Cluster
from pam_agent.service_policy import ServicePolicy

AUTHENTICATION_TIMEOUT: Final = 60.0
"""Seconds: PostgreSQL's own default."""


def judge(
    used: Sequence[str],
    clusters: Sequence[Cluster],
    policy_of: Callable[[str], ServicePolicy],
    callers: Mapping[str, tuple[str, ...]],
) -> Iterator[Finding]:
    """Of all services that have the module (`used`) and are PostgreSQL's: by their names, or since
    a pg_hba.conf says so. `callers` is what the agent is told."""
    named = {name for cluster in clusters for name in cluster.services}
    of_ours = [name for name in used if name.startswith(PAM_SERVICE) or name in named]
    for name in of_ours:
        yield from _callers(name, callers)
        for cluster in clusters:
            if name in cluster.services or name not in named:
                yield from _timeout(name, cluster, policy_of(name))
    for cluster in clusters if of_ours else ():
        for path in cluster.unread:
            yield unchecked(
                "postgresql-not-read", "", path, "it cannot be read.", "Run this as root."
            )
        for name, where in cluster.services.items():
            if name not in used:
                yield note(
                    "postgresql-other-service",
                    name,
                    where,
                    f"who comes by this line is asked as {name}, whose stack does not have the"
                    " module.",
                )


def _timeout(service: str, cluster: Cluster, policy: ServicePolicy) -> Iterator[Finding]:
    setting = cluster.settings.get("authentication_timeout")
    seconds = None if setting is None else setting.seconds
    where = cluster.path if setting is None or seconds is None else setting.where
    if seconds is None:
        seconds = AUTHENTICATION_TIMEOUT
    if seconds < policy.timers.sign_on:
        key = "authentication_timeout"
        yield too_short("postgresql-timeout", service, where, key, seconds, policy)


def _callers(service: str, callers: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """PostgreSQL's server asks as a user of its own."""
    if not any(service in services for services in callers.values()):
        yield mistake(
            "caller-unknown",
            service,
            "/etc/bartizan/agent.toml",
            "PostgreSQL's server runs as a user of its own, and the agent lets only root ask for"
            " others: every sign-on ends as not-allowed.",
            f'Write `postgres = ["{service}"]` under [callers].',
        )
