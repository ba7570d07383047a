"""edge. Cycles and instructions of a process, by the hardware's counters, where they can be read.

They hardly change from run to run, also on a busy machine where microseconds double, and they know
user mode from the kernel exactly, where the kernel's own accounting only samples.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOP_SECONDS: Final = 10.0
_EVENTS: Final = {
    "cycles:u": "user_cycles",
    "cycles:k": "kernel_cycles",
    "instructions:u": "user_instructions",
    "instructions:k": "kernel_instructions",
}


@contextmanager
def counting(pid: int) -> Iterator[dict[str, float]]:
    """Filled at the end of the block with what the process did in it; stays empty without perf."""
    found: dict[str, float] = {}
    perf = shutil.which("perf")
    if perf is None:
        yield found
        return
    counter = subprocess.Popen(
        [perf, "stat", "-x,", "-e", ",".join(_EVENTS), "-p", str(pid), "-D-1", "--control=fd:0,1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if _tell(counter, "enable"):
            yield found
            _tell(counter, "disable")
        else:
            yield found
    finally:
        counter.send_signal(signal.SIGINT)
        _, said = counter.communicate(timeout=STOP_SECONDS)
    for line in said.splitlines():
        match line.split(","):
            case [count, _, event, *_] if event in _EVENTS and count.isdigit():
                found[_EVENTS[event]] = float(count)


def _tell(counter: "subprocess.Popen[str]", word: str) -> bool:
    """Whether perf has done as told; it has not if it may not count."""
    assert counter.stdin is not None
    assert counter.stdout is not None
    try:
        counter.stdin.write(word + "\n")
        counter.stdin.flush()
    except BrokenPipeError:
        return False
    return bool(counter.stdout.readline())
