"""edge. The real sshd, with the folder that it has while it runs as a service."""

import os
import subprocess
from pathlib import Path


def sshd_apart(folder: Path) -> Path:
    """A program that is sshd, in a place of its own."""
    program = folder / "sshd"
    apart = "unshare --mount" if os.geteuid() == 0 else "unshare --map-root-user --mount"
    program.write_text(
        f"#!/bin/sh\nexec {apart} sh -c 'mount -t tmpfs none /run && mkdir /run/sshd &&"
        ' exec /usr/sbin/sshd "$@"\' - "$@"\n'
    )
    program.chmod(0o755)
    return program


def host_key(folder: Path) -> Path:
    """A key, without which sshd says nothing."""
    key = folder / "host_key"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(made, check=True)
    return key
