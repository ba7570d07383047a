"""edge. Notes where this process is, each time it has used so many cycles in user mode.

By the hardware's counter, with a signal at each overflow (perf_event_open(2)); no kernel time gets
in. Python runs the signal's handler at its next call or loop, so a sample can be late by one call.
"""

import collections
import ctypes
import fcntl
import os
import platform
import signal
import struct
import threading
from types import CodeType, FrameType
from typing import Final

_SYSTEM_CALL: Final = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _CYCLES = 0, 0
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 0, 1 << 5, 1 << 6
_ATTRIBUTES: Final = struct.Struct("IIQQQQQI")
"""type, size, config, period, what to sample, what to read, flags, events for each wake-up."""
_SIZE: Final = 112
_ENABLE: Final = 0x2400

Place = tuple[CodeType, int]
"""A function, and the line in it."""


class Sampler:
    """Samples the calling thread."""

    def __init__(self, cycles: int) -> None:
        """`cycles` between two samples. Raises OSError where there is no such counter."""
        self.stacks: collections.Counter[tuple[Place, ...]] = collections.Counter()
        flags = _DISABLED | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
        attributes = _ATTRIBUTES.pack(_HARDWARE, _SIZE, _CYCLES, cycles, 0, 0, flags, 1)
        libc = ctypes.CDLL(None, use_errno=True)
        number = _SYSTEM_CALL[platform.machine()]
        whole = ctypes.create_string_buffer(attributes, _SIZE)
        self._descriptor = libc.syscall(number, whole, 0, -1, -1, 0)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no counter of cycles")

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._note)
        fcntl.fcntl(self._descriptor, fcntl.F_SETSIG, signal.SIGPROF)
        fcntl.fcntl(self._descriptor, fcntl.F_SETOWN, threading.get_native_id())
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        fcntl.ioctl(self._descriptor, _ENABLE, 0)

    def stop(self) -> None:
        os.close(self._descriptor)

    def _note(self, _number: int, frame: FrameType | None) -> None:
        stack: list[Place] = []
        while frame is not None:
            stack.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        self.stacks[tuple(stack)] += 1
