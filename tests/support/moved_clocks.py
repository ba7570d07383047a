"""edge. Programs whose clocks a test can move, each by itself, while the machine's stay right.

Needs no root, and nothing else on the machine notices. What a program sees of a clock that is set,
or of a machine that slept, is in what it reads there: the timers that Trio waits by are the
kernel's on CLOCK_MONOTONIC, which nobody sets and which does not go on in a sleep.
"""

import mmap
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.pam import BUILD

SOURCE: Final = Path(__file__).with_name("moved_clocks.c")
LIBRARY: Final = BUILD / "tests" / "moved_clocks.so"
_ADDED: Final = struct.Struct("qq")


@dataclass
class Clocks:
    """Those of the programs that are started with `prefix` before their own command."""

    prefix: tuple[str, ...]
    _map: mmap.mmap

    def set_wall(self, seconds: int) -> None:
        """So much ahead of the true time from now on, or behind it if negative."""
        self._add(seconds, _ADDED.unpack(self._map[:])[1])

    def sleep(self, seconds: int) -> None:
        """The machine was suspended for so long: the time since boot goes on, and wall time too.

        CLOCK_MONOTONIC stands still meanwhile; so it does here, as no time passes for it.
        """
        wall, boot = _ADDED.unpack(self._map[:])
        self._add(wall + seconds, boot + seconds)

    def _add(self, wall: int, boot: int) -> None:
        self._map[:] = _ADDED.pack(wall, boot)


@contextmanager
def moved_clocks(file: Path) -> Iterator[Clocks]:
    """`file` is made for it."""
    file.write_bytes(_ADDED.pack(0, 0))
    prefix = ("env", f"LD_PRELOAD={library()}", f"MOVED_CLOCKS={file}")
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), _ADDED.size) as mapped:
        yield Clocks(prefix, mapped)


def library() -> Path:
    """Built anew if its source has changed."""
    if LIBRARY.exists() and LIBRARY.stat().st_mtime >= SOURCE.stat().st_mtime:
        return LIBRARY
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    with tempfile.TemporaryDirectory(dir=LIBRARY.parent) as private:
        made = Path(private) / LIBRARY.name
        subprocess.run(["cc", *flags, "-o", made, SOURCE], check=True)
        made.replace(LIBRARY)
    return LIBRARY
