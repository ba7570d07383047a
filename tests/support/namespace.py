"""edge. A host's /etc in a mount namespace: real sshd, sudo and pamtester on files of a test's own.

Each command of a SystemHost runs in a mount namespace where the accounts, the PAM services and
sudo's rules are those of the test, and /run and /var/log are empty. Nothing on the machine is
changed. It needs root: only root may mount.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UID: Final = 64100
"""Of the one account, `ada`; above Debian's ranges for people and services, so it is nobody's."""
USER: Final = "ada"

_ENTER: Final = """
set -e
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /var/log
mkdir /run/sshd
etc="$1"
shift
for name in passwd shadow group nsswitch.conf sudoers pam.d sudoers.d; do
    if [ -e "/etc/$name" ]; then
        mount --bind "$etc/$name" "/etc/$name"
    fi
done
exec "$@"
"""


@dataclass(frozen=True)
class SystemHost:
    """A private /etc with root, sshd's own account and `ada`, who has a home and no password."""

    etc: Path
    home: Path

    def service(self, name: str, text: str) -> None:
        """Writes /etc/pam.d/NAME. There are no others but those written so."""
        (self.etc / "pam.d" / name).write_text(text)

    def command(self, *argv: str | Path) -> list[str]:
        """`argv` to run as root in a namespace of its own on this host."""
        enter = ["unshare", "--mount", "--propagation", "private"]
        enter += ["sh", "-c", _ENTER, "namespace", str(self.etc)]
        return enter + [str(word) for word in argv]

    def command_of_ada(self, *argv: str | Path) -> list[str]:
        """The same as ada, who may not become root again but by sudo."""
        identity = [f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        return self.command("setpriv", *identity, *argv)


def system_host(folder: Path, sudoers: str = "") -> SystemHost:
    """Makes the host's files in `folder`, which everybody must be able to enter."""
    etc, home = folder / "etc", folder / "home"
    for each in (etc, etc / "pam.d", etc / "sudoers.d", home):
        each.mkdir(mode=0o755)
    files = {
        "passwd": (
            "root:x:0:0:root:/root:/bin/sh\n"
            "sshd:x:64101:64101::/run/sshd:/usr/sbin/nologin\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            f"{USER}:x:{UID}:{UID}:Ada:{home}:/bin/sh\n"
        ),
        "shadow": f"root:*:19000::::::\nsshd:*:19000::::::\n{USER}:*:19000::::::\n",
        "group": f"root:x:0:\ntty:x:5:\nsshd:x:64101:\nnogroup:x:65534:\n{USER}:x:{UID}:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
        "sudoers": sudoers,
    }
    for name, text in files.items():
        (etc / name).write_text(text)
    (etc / "shadow").chmod(0o600)
    (etc / "sudoers").chmod(0o440)
    os.chown(home, UID, UID)
    return SystemHost(etc, home)


def why_not(programs: Sequence[str]) -> str | None:
    """Why no such host can be had here, and what to do; None when it can."""
    if os.geteuid() != 0:
        return "needs root, to make a mount namespace: run the tests as root"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if missing:
        return f"needs {', '.join(missing)}: .ci/run installs what the tests need"
    return None
