"""edge. A bare Debian 12 in a folder, made once: what the machines of machine.py start from.

It has what an installed server has: systemd, sshd, sudo. It has no Python; that, and what else the
packages depend on, lies in apt's cache, as a mirror in the next room would have it.
"""

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
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
KEPT: Final = 86_400.0
"""Seconds that a folder with packages stays: other tests' machines may be running on it."""


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


def with_packages(debs: Sequence[Path]) -> tuple[Path, ...]:
    """Folders, the upper one first, of the same Debian with packages on it: as apt installs them
    where nothing runs yet, so that all that they start comes up at the next boot."""
    image = bare_debian()
    content = hashlib.sha256(b"".join(each.read_bytes() for each in sorted(debs))).hexdigest()[:12]
    layer = FOLDER / f"{image.name}-with-{content}"
    if not layer.exists():
        for old in FOLDER.glob("*-with-*"):
            if old.stat().st_mtime < time.time() - KEPT:
                shutil.rmtree(old)
        with tempfile.TemporaryDirectory(prefix="layer-", dir=FOLDER) as work:
            _run(
                "unshare",
                "--mount",
                "sh",
                "-c",
                _INSTALL,
                "install",
                work,
                str(image),
                *map(str, debs),
            )
            Path(work, "upper").rename(layer)
    return layer, image


_INSTALL: Final = """
set -e
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=$2,upperdir=upper,workdir=work" root
shift 2
mkdir root/root/packages
cp "$@" root/root/packages
mount -t proc proc root/proc
chroot root sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install --yes /root/packages/*.deb'
rm -r root/root/packages
"""


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
