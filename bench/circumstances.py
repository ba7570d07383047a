"""edge. Where, when and of what a measurement was made."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.programs import ROOT, transit_environment

_PEER: Final = "magic-wormhole-transit-relay"


def circumstances(*, peer: bool = True) -> dict[str, Any]:
    """`changed`: the sources differ from those of the commit. `peer`: it was measured, too."""
    return {
        "machine": _machine(),
        "versions": _versions() | (_versions_of_peer() if peer else {}),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "relay", "protocol", "bench/*.c")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _machine() -> dict[str, Any]:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
            break
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
    }


def _versions() -> dict[str, str]:
    own = {name: version(name) for name in ("trio", "msgpack", "msgspec", "cryptography")}
    compiler = subprocess.run(["cc", "--version"], check=True, capture_output=True, text=True)
    return {
        "python": platform.python_version(),
        **own,
        "cc": compiler.stdout.splitlines()[0],
    }


def _versions_of_peer() -> dict[str, str]:
    ask = f"from importlib.metadata import version as v; print(v({_PEER!r}), v('twisted'))"
    python = transit_environment() / "bin" / "python"
    peer = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    its_own, twisted = peer.stdout.split()
    return {_PEER: its_own, "twisted": twisted}


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"
