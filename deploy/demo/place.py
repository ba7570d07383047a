"""edge. The private directory of one demonstration: what lies where, and the two configurations."""

import os
import pwd
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failed import FailedError

ROOT: Final = Path(__file__).resolve().parents[2]
MODULE: Final = ROOT / "build" / "module" / "pam_bartizan.so"
PROGRAMS: Final = Path(sys.executable).parent
HOST: Final = "demo-host"
SERVICE: Final = "demo"

_RELAY: Final = """\
[[agents]]
listen = "unix:{folder}/links.sock"

[[validators]]
listen = "tcp:{relay}"

[log]
format = "json"
"""

_AGENT: Final = """\
host = "{host}"
state = "{folder}/state"
socket = "{folder}/pam.sock"
admin_socket = "{folder}/admin.sock"

[[relays]]
link = "unix:{folder}/links.sock"
validators = ["{relay}"]

[timers]
validation = {validation}
acknowledgement = {validation}

[log]
format = "json"
"""

_PAM: Final = """\
auth     required  {folder}/pam_bartizan.so  socket={folder}/pam.sock
account  required  pam_permit.so
"""

VALIDATION: Final = 120
"""Seconds: twice the default, since somebody who sees this for the first time has to read."""


@dataclass(frozen=True)
class Place:
    """`user` is the account to sign on: the one that runs this. `relay` is its host:port."""

    folder: Path
    user: str
    relay: str

    @property
    def relay_file(self) -> Path:
        return self.folder / "relay.toml"

    @property
    def agent_file(self) -> Path:
        return self.folder / "agent.toml"

    @property
    def services(self) -> Path:
        """In the place of /etc/pam.d."""
        return self.folder / "pam.d"

    @property
    def device_log(self) -> Path:
        return self.folder / "device.json"

    def program(self, name: str, *arguments: str | Path) -> list[str]:
        """The command line of one of Bartizan's programs."""
        return [str(PROGRAMS / name), *map(str, arguments)]

    def device_settings(self) -> dict[str, str]:
        """What makes this user's `bartizan` the demo's device."""
        return {
            "BARTIZAN_HOME": str(self.folder / "device"),
            "BARTIZAN_LOG": str(self.device_log),
        }

    def device_command(self, passcode: str) -> str:
        """What to paste into another terminal."""
        settings = [f"{key}={shlex.quote(text)}" for key, text in self.device_settings().items()]
        command = shlex.join(self.program("bartizan", "sign-on", HOST, *passcode.split()))
        return f"{' '.join(settings)} \\\n  {command}"


@contextmanager
def private_place() -> Iterator[Place]:
    """A new directory that only this user can enter; gone at the end, whatever happens.

    Raises FailedError.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bartizan-demo-", ignore_cleanup_errors=True) as name,
        _own_port() as port,
    ):
        place = Place(Path(name), _own_account(), f"127.0.0.1:{port}")
        place.services.mkdir()
        # PAM's files know no quoting: this path has no space in it, the checkout's may have.
        (place.folder / "pam_bartizan.so").symlink_to(MODULE)
        for file, text in (
            (place.relay_file, _RELAY),
            (place.agent_file, _AGENT),
            (place.services / SERVICE, _PAM),
        ):
            file.write_text(
                text.format(
                    folder=place.folder, relay=place.relay, host=HOST, validation=VALIDATION
                )
            )
        yield place


def _own_account() -> str:
    """Raises FailedError."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise FailedError(f"uid {os.geteuid()} has no name, and PAM signs on names") from None


@contextmanager
def _own_port() -> Iterator[int]:
    """A port of 127.0.0.1 that the system gives to nobody else until the end: it is bound here. The
    relay may listen there all the same, since both say SO_REUSEADDR."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield int(held.getsockname()[1])
