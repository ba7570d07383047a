"""edge. Programs whose clocks a test can move, each by itself, while the machine's stay right.

Needs no root, and nothing else on the machine notices. What a program sees of a clock that is set,
or of a machine that slept, is in what it reads there: the timers that Trio waits by are the
kernel's on CLOCK_MONOTONIC, which nobody sets and which does not go on in a sleep.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.c_programs import built

SOURCE: Final = Path(__file__).with_name("moved_clocks.c")
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
    """What moves them, to be loaded before all else."""
    return built(SOURCE, "moved_clocks.so", "-O2", "-shared", "-fPIC")
