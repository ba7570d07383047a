"""edge. Makes the programs that are measured: the C ones, and the transit relay's environment."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
HERE: Final = ROOT / "bench"
BUILD: Final = ROOT / "build" / "bench"
COMPILED: Final = ROOT / "build" / "compiled"

_SHARED: Final = ("net.c", "wire.c")
_SOURCES: Final = {
    "floor_pairs": ("floor_pairs.c",),
    "floor_links": ("floor_links.c",),
    "direct": ("direct.c",),
    "load": ("load.c", "agents.c", "parties.c"),
    "attack": ("attack.c",),
}
_FLAGS: Final = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror")


def build_programs() -> None:
    """Compile every C program, always: it takes a second. The relay, when its sources changed."""
    subprocess.run(["make", "--silent", "--no-print-directory", "compiled"], cwd=ROOT, check=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    for name, sources in _SOURCES.items():
        made = BUILD / f"{name}.part"
        files = [HERE / source for source in (*sources, *_SHARED)]
        subprocess.run(["cc", *_FLAGS, "-o", made, *files], check=True)
        made.replace(BUILD / name)


def program(name: str) -> Path:
    return BUILD / name


def relay_program() -> Path:
    """Bartizan's relay as it is installed beside this Python: its sources, interpreted."""
    return Path(sys.executable).with_name("bartizan-relay")


def compiled_relay() -> list[str | Path]:
    """The command that runs the same as packages ship it."""
    return ["env", f"PYTHONPATH={COMPILED}", relay_program()]


def transit_environment() -> Path:
    """The folder of the environment that holds the transit relay, made when its pins changed."""
    pins = HERE / "requirements.txt"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    environment = BUILD / "transit"
    stamp = environment / "pins"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        pip = environment / "bin" / "pip"
        options = ["-qq", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([pip, "install", *options, "-r", pins], check=True)
        stamp.write_text(wanted)
    return environment
