"""edge. What a process has used, from /proc."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of all threads so far. The total is exact to the scheduler's nanoseconds; how it
    is split is sampled by the kernel's ticks."""

    total: float
    user: float
    system: float

    def __sub__(self, earlier: "Cpu") -> "Cpu":
        total = self.total - earlier.total
        user, system = self.user - earlier.user, self.system - earlier.system
        share = user / (user + system) if user + system else 0.0
        return Cpu(total, total * share, total * (1 - share))


def cpu(pid: int) -> Cpu:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return Cpu(total / 1e9, int(fields[11]) / _TICKS, int(fields[12]) / _TICKS)


def memory(pid: int) -> int:
    """Bytes of the proportional set size: what is shared counts once."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _KIB
    raise ValueError(f"the kernel tells no memory of process {pid}")


def settle(pid: int, most: float = 5.0) -> None:
    """Return when the process has used no CPU for 50 ms, or after `most` seconds."""
    end = time.monotonic() + most
    before = -1.0
    while time.monotonic() < end and (now := cpu(pid).total) != before:
        before = now
        time.sleep(0.05)
