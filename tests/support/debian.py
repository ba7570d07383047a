"""edge. A bare Debian 12 in a folder, made once: what the machines of machine.py start from.

It has what an installed server has: systemd, sshd, sudo. It has no Python; that, and what else the
packages depend on, lies in apt's cache, as a mirror in the next room would have it.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "build" / "machines"
MIRROR: Final = "http://deb.debian.org/debian"
INSTALLED: Final = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,openssh-client,sudo,iproute2"
)
FOR_APT: Final = ("python3",)
"""What apt may find in its cache, with all that it depends on."""

PROGRAMS: Final = ("debootstrap", "systemd-nspawn", "nsenter", "unshare")
SECONDS: Final = 900.0


def bare_debian() -> Path:
    """The folder of an image for these packages; made first if it is not there."""
    wanted = hashlib.sha256(f"{MIRROR} {INSTALLED} {FOR_APT}".encode()).hexdigest()[:12]
    image = FOLDER / f"debian-12-{wanted}"
    if image.exists():
        return image
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = FOLDER / f"{image.name}.part"
    shutil.rmtree(made, ignore_errors=True)
    _run(
        "debootstrap", "--variant=minbase", f"--include={INSTALLED}", "bookworm", str(made), MIRROR
    )
    _run("chroot", str(made), "apt-get", "update")
    _run("chroot", str(made), "apt-get", "install", "--yes", "--download-only", *FOR_APT)
    (made / "etc/machine-id").write_text("")  # each machine makes its own
    made.rename(image)
    return image


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
