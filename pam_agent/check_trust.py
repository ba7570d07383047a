"""edge. Whether somebody else may write what the agent is told or take its place, and whether those
exist whom it is told of."""

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from pam_agent.check_finding import Finding, mistake
from pam_agent.settings import Config
from pam_agent.socket_folder import replaceable


def sockets(config: Config) -> Iterator[Finding]:
    """The folders of the agent's sockets; what is not there is told elsewhere."""
    for path in (config.socket, config.admin_socket):
        folder = _folder(path, config)
        if folder is not None:
            yield mistake(
                "socket-replaceable",
                "",
                str(folder),
                f"others may write in this folder, and so put a socket of theirs in the place of"
                f" {path}: whoever listens there is believed.",
                f"chmod go-w {folder}; chown root {folder}; or choose another folder.",
            )


def configuration(path: Path, config: Config) -> Iterator[Finding]:
    """The agent's own file, which says who has to sign on."""
    try:
        status = path.stat()
    except OSError:  # it has the defaults
        return
    folder = _folder(path, config)
    open_ = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if open_ or status.st_uid not in (0, _agent(config)) or folder is not None:
        what = path if folder is None else folder
        yield mistake(
            "config-writable",
            "",
            str(what),
            f"others may write here, and so say in {path} who has to sign on.",
            f"chmod go-w {what}; chown root {what}",
        )


def names(config: Config) -> Iterator[Finding]:
    """Users and groups that the configuration names, as the host's name service knows them."""
    known: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("users", pwd.getpwnam),
        ("groups", grp.getgrnam),
    )
    for service, policy in config.services.items():
        for key, find in known:
            for name in sorted(policy.users if key == "users" else policy.groups):
                try:
                    find(name)
                except (KeyError, ValueError, OSError):
                    yield mistake(
                        "name-unknown",
                        service,
                        f"/etc/bartizan/agent.toml: [services.{service}] {key}",
                        f"{name!r} is none of this host's {key}: as long as that is so, everybody"
                        " has to sign on here.",
                        "Correct the name, or take it away.",
                    )


def _folder(path: Path, config: Config) -> Path | None:
    try:
        return replaceable(path, _agent(config))
    except OSError:
        return None


def _agent(config: Config) -> int:
    """The agent's uid: its store's owner; before there is one, whoever asks."""
    try:
        return config.state.stat().st_uid
    except OSError:
        return os.geteuid()
