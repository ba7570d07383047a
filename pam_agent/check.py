"""edge. Reads what there is to check on this host, and puts all findings together."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pam_agent import check_host, check_limits, check_sshd, check_sudoers
from pam_agent.check_finding import Finding, mistake, note, unchecked
from pam_agent.methods import Method
from pam_agent.service_policy import policy_of
from pam_agent.settings import Config
from pam_agent.stack_findings import Asked, is_used, judge

PAM_FOLDER: Final = Path("/etc/pam.d")
VENDOR_FOLDERS: Final = (Path("/usr/lib/pam.d"), Path("/usr/etc/pam.d"))
SSHD: Final = "/usr/sbin/sshd"
TWINS: Final[Mapping[str, str]] = {"sudo": "sudo-i", "su": "su-l"}
"""PAM services of the same program, for a plain call and for a login shell."""
COMMANDS: Final[Mapping[str, str]] = {
    "sudo": "sudo",
    "sudo-i": "sudo -i",
    "su": "su",
    "su-l": "su -",
}
PATIENCE: Final = 10.0
"""Seconds for `sshd -T`: it reads a file or two."""
MAX_FILE: Final = 1 << 20
"""Bytes of a configuration file that is read."""


@dataclass(frozen=True)
class Host:
    """The host whose files lie under `root`; of another root than / nothing that runs is asked."""

    config: Config
    root: Path = Path("/")

    @property
    def is_this(self) -> bool:
        return self.root == Path("/")

    def under(self, path: Path) -> Path:
        """Where a path of that host is found."""
        return self.root / path.relative_to("/")

    def text(self, path: Path) -> str | None:
        """What is in a file, None when it cannot be read."""
        try:
            with self.under(path).open("rb") as file:
                return file.read(MAX_FILE).decode(errors="replace")
        except OSError:
            return None

    def pam_file(self, name: str) -> str | None:
        """A service's file as libpam finds it."""
        if name.startswith("/"):
            return self.text(Path(name))
        folders = (PAM_FOLDER, *VENDOR_FOLDERS)
        texts = (self.text(folder / name) for folder in folders if "\0" not in name)
        return next((text for text in texts if text is not None), None)

    def files(self, folder: Path, pattern: str) -> list[Path]:
        """Files of that host, in order."""
        base = self.under(folder)
        return [folder / each.relative_to(base) for each in sorted(base.glob(pattern))]


def findings(host: Host) -> Iterator[Finding]:
    """Everything, in the order in which a person goes through it."""
    used = [name for name in _services(host) if is_used(name, host.pam_file)]
    if not used:
        yield note("not-used", "", str(PAM_FOLDER), "no service has pam_bartizan.so.")
    sshd = None
    if check_sshd.SERVICE in used:
        text, problem = _sshd_settings(host)
        if problem is not None:
            yield problem
        sshd = None if text is None else check_sshd.parse(text)
    for name in used:
        policy = policy_of(name, host.config.services, host.config.timers)
        proved = name == check_sshd.SERVICE and sshd is not None and check_sshd.proves_before(sshd)
        asked = Asked(name, policy, str(host.config.socket), proved)
        yield from judge(asked, host.pam_file)
    if sshd is not None:
        policy = policy_of(check_sshd.SERVICE, host.config.services, host.config.timers)
        yield from check_sshd.judge(sshd, policy)
        yield from check_sshd.matches(_sshd_files(host))
    yield from _left_out(host, used)
    yield from _limits(host, used)
    for name in host.config.services:
        if name not in used:
            yield note(
                "service-not-used",
                name,
                f"/etc/bartizan/agent.toml: [services.{name}]",
                f"{PAM_FOLDER}/{name} does not have pam_bartizan.so.",
            )
    if host.is_this:
        yield from _running(host)


def _left_out(host: Host, used: list[str]) -> Iterator[Finding]:
    """Programs that ask PAM as two services, of which one has the module."""
    for name, other in TWINS.items():
        for one, left in ((name, other), (other, name)):
            if one in used and left not in used and host.pam_file(left) is not None:
                yield mistake(
                    "left-out",
                    left,
                    f"{PAM_FOLDER}/{left}",
                    f"{one} asks for the factor, and {left} does not: `{COMMANDS[left]}` goes"
                    " without.",
                    f"Write the same lines as in {PAM_FOLDER}/{one}.",
                )


def _services(host: Host) -> list[str]:
    """The names of all services; Debian's common-* are parts of others."""
    names = {
        each.name
        for folder in (PAM_FOLDER, *VENDOR_FOLDERS)
        for each in host.files(folder, "*")
        if not each.name.startswith(("common-", ".")) and ".dpkg-" not in each.name
    }
    return sorted(names)


def _sshd_settings(host: Host) -> tuple[str | None, Finding | None]:
    """What `sshd -T` says, or why it could not be asked."""
    command = [SSHD, "-T"]
    if not host.is_this:
        command += ["-f", str(host.under(Path(check_sshd.WHERE)))]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        why = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        if done.returncode == 0:
            return done.stdout, None
    except (OSError, subprocess.TimeoutExpired) as error:
        why = [str(error)]
    return None, unchecked(
        "ssh-not-asked",
        check_sshd.SERVICE,
        " ".join(command),
        f"sshd's settings could not be had: {why[0]}.",
        "Run this as root, and `sshd -t` to see what sshd does not like.",
    )


def _sshd_files(host: Host) -> dict[str, str]:
    """sshd's own file and those that Debian's includes."""
    paths = [Path(check_sshd.WHERE), *host.files(Path("/etc/ssh/sshd_config.d"), "*.conf")]
    return {str(path): text for path in paths if (text := host.text(path)) is not None}


def _limits(host: Host, used: list[str]) -> Iterator[Finding]:
    """What stands in the files of other programs."""
    config = host.config
    sudo = [name for name in check_sudoers.SERVICES if name in used]
    if sudo:
        yield from check_sudoers.judge(
            sudo[0],
            used,
            lambda path: host.text(Path(path)),
            lambda folder: [str(each) for each in host.files(Path(folder), "*")],
        )
    if "login" in used:
        path = Path("/etc/login.defs")
        policy = policy_of("login", config.services, config.timers)
        yield from check_limits.login(str(path), host.text(path), policy)
    for name in used:
        if name.startswith("postgresql"):  # pg_hba.conf may name others
            policy = policy_of(name, config.services, config.timers)
            yield from check_limits.callers(name, config.callers)
            for path in host.files(Path("/etc/postgresql"), "*/*/postgresql.conf"):
                text = host.text(path) or ""
                yield from check_limits.postgresql(name, str(path), text, policy)


def _running(host: Host) -> Iterator[Finding]:
    """What can be seen only where the agent runs."""
    config = host.config
    yield from check_host.agent(config)
    yield from check_host.relays(config)
    services = config.services.values()
    if any(Method.TOTP in each.methods for each in services):
        yield from check_host.clock()
