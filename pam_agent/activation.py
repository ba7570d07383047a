"""edge. The agent's sockets from a service manager, held against its configuration."""

import contextlib
from pathlib import Path
from socket import socket

from daemons.supervision import Supervision, SupervisionError
from daemons.systemd import listening_socket
from pam_agent.settings import Config
from protocol.address import UnixAddress


def activated(told: Supervision, config: Config) -> dict[Path, socket]:
    """The sockets that were handed over, each under the path that the configuration has for it.

    Raises SupervisionError for one that is no such socket, or that the configuration does not know.
    """
    found: dict[Path, socket] = {}
    with contextlib.ExitStack() as until_good:
        for descriptor, name in told.descriptors:
            given = until_good.enter_context(listening_socket(descriptor, name))
            listens_on = Path(given.getsockname())
            path = _configured(listens_on, config)
            if path is None or path in found:
                raise SupervisionError(_problem(listens_on, path, config))
            found[path] = given
        until_good.pop_all()
    return found


def _configured(listens_on: Path, config: Config) -> Path | None:
    """The configuration's name for it, which may differ by links (/var/run)."""
    known = [config.socket, config.admin_socket]
    known += [Path(config.metrics.path)] if isinstance(config.metrics, UnixAddress) else []
    for path in known:
        if path == listens_on:
            return path
        with contextlib.suppress(OSError):
            if path.samefile(listens_on):
                return path
    return None


def _problem(listens_on: Path, path: Path | None, config: Config) -> str:
    if path is not None:
        return f"{listens_on}: the service manager hands it over twice: keep one ListenStream="
    return (
        f"{listens_on}: the service manager listens there, but the configuration has socket ="
        f' "{config.socket}" and admin_socket = "{config.admin_socket}": make ListenStream= and one'
        " of them, or metrics.listen, the same"
    )
