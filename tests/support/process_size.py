"""edge. How much a process holds: its descriptors, and the memory that is its own."""

import re
from pathlib import Path
from typing import Final

_OWN: Final = re.compile(r"^(?:Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+) kB$", re.MULTILINE)


def descriptors(pid: int) -> dict[str, int]:
    """How many there are of each kind: proc(5) names a socket or pipe with its inode behind."""
    found: dict[str, int] = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        kind = str(link.readlink()).partition(":[")[0]
        found[kind] = found.get(kind, 0) + 1
    return found


def own_memory(pid: int) -> int:
    """KiB: proportional set size without mapped files.

    Pages of libraries are shared out among all programs that run, so their part of it moves when
    any other process begins or ends.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, _OWN.findall(rollup)))
