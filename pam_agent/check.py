"""edge. Reads what there is to check on this host, and puts all findings together."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pam_agent import (
    check_host,
    check_limits,
    check_module,
    check_postgresql,
    check_services,
    check_sshd,
    check_sshd_blocks,
    check_sudoers,
    check_trust,
    postgresql_files,
    sudoers,
    sudoers_files,
)
from pam_agent.check_finding import Finding, note
from pam_agent.config import DEFAULT_PATH
from pam_agent.host_files import HostFiles
from pam_agent.methods import Method
from pam_agent.pam_files import FOLDERS, PamFiles
from pam_agent.service_policy import policy_of
from pam_agent.settings import Config
from pam_agent.sshd_asked import Sshd
from pam_agent.sshd_config import NotAskedError


@dataclass(frozen=True)
class Host:
    """The host whose files lie under `root`; of another root than / nothing that runs is asked.

    `meant` are what lets in otherwise on purpose: `Match ...` of sshd's, `Defaults:...` of sudo's.
    """

    config: Config
    root: Path = Path("/")
    meant: Collection[str] = ()
    file: Path = DEFAULT_PATH
    """The agent's configuration."""

    @property
    def is_this(self) -> bool:
        return self.root == Path("/")

    @property
    def own(self) -> HostFiles:
        """Its files."""
        return HostFiles(self.root)


def findings(host: Host) -> Iterator[Finding]:
    """Everything, in the order in which a person goes through it."""
    services = check_services.Services(host.config, PamFiles(host.own))
    used = services.used()
    if not used:
        yield note("not-used", "", str(FOLDERS[0]), "no service has pam_bartizan.so.")
    for name in used:
        if name == check_sshd.SERVICE:
            yield from _sshd(host, services)
        else:
            yield from services.judge(name)
    yield from check_module.judge(used, services.pam)
    yield from services.no_files()
    yield from services.not_read()
    yield from _sudo(host, services, used)
    yield from _limits(host, used)
    for name in host.config.services:
        if name not in used:
            yield note(
                "service-not-used",
                name,
                f"/etc/bartizan/agent.toml: [services.{name}]",
                f"{FOLDERS[0]}/{name} does not have pam_bartizan.so.",
            )
    if host.is_this:
        yield from _running(host)


def _sshd(host: Host, services: check_services.Services) -> Iterator[Finding]:
    """sshd's stack and its own configuration: what it has proved before decides on the stack."""
    policy = policy_of(check_sshd.SERVICE, host.config.services, host.config.timers)
    asked = Sshd.of(host.own)
    for unread in () if asked.tree is None else asked.tree.unread:
        yield check_sshd_blocks.not_asked(NotAskedError("this file cannot be read"), unread)
    try:
        settings = check_sshd.parse(asked.for_all())
    except NotAskedError as error:
        yield check_sshd_blocks.not_asked(error, asked.command)
        yield from services.judge(check_sshd.SERVICE, proved_before=True)  # it may be so
        return

    def judged(of: Mapping[str, str]) -> Iterator[Finding]:
        proved = check_sshd.proves_before(of)
        yield from services.judge(check_sshd.SERVICE, proved_before=proved)
        yield from check_sshd.judge(of, policy)

    known = list(judged(settings))
    yield from known
    if asked.tree is not None:
        yield from check_sshd_blocks.judge(
            asked.tree,
            lambda question: check_sshd.parse(asked.where(question.on)),
            judged,
            known,
            host.meant,
        )


def _sudo(host: Host, services: check_services.Services, used: list[str]) -> Iterator[Finding]:
    """sudoers, which also says as which services sudo asks."""
    reading = sudoers.read(sudoers_files.of(host.own))
    names = check_sudoers.services(reading)
    yield from services.left_out(used, names)
    for name in [each for each in (*check_services.SUDO, *names) if each in used][:1]:
        yield from check_sudoers.judge(name, used, reading, host.meant)


def _limits(host: Host, used: list[str]) -> Iterator[Finding]:
    """What stands in the files of other programs."""
    config = host.config
    if "login" in used:
        path = Path("/etc/login.defs")
        policy = policy_of("login", config.services, config.timers)
        yield from check_limits.login(str(path), host.own.text(path), policy)
    yield from check_postgresql.judge(
        used,
        postgresql_files.clusters(host.own),
        lambda name: policy_of(name, config.services, config.timers),
        config.callers,
    )


def _running(host: Host) -> Iterator[Finding]:
    """What can be seen only where the agent runs."""
    config = host.config
    yield from check_host.agent(config)
    yield from check_trust.sockets(config)
    yield from check_trust.configuration(host.file, config)
    yield from check_trust.names(config)
    yield from check_host.relays(config)
    services = config.services.values()
    if any(Method.TOTP in each.methods for each in services) or check_host.has_totp(config):
        yield from check_host.clock()
