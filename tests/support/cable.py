"""edge. A network of the test's own, with one cable in it that can be pulled.

The test's thread moves into a new network namespace; a second one is at the cable's far end.
Programs are started in either by `here` and `there`: Trio starts them in threads of its own, which
may be older than the namespace. Who is there is not told when the cable is pulled, nor is who talks
to it: no FIN, no reset, no ICMP, as when a device leaves the room. It needs root; the machine's own
network is not touched.
"""

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NEAR: Final = "192.0.2.1"
"""The test's own address on the cable."""
FAR: Final = "192.0.2.2"

_CLONE_NEWNET: Final = 0x40000000
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Cable:
    """From the test's network to another one that nobody is in but who is started there."""

    _near: str
    _far: str
    """The two networks, as files of processes in them."""

    def here(self, *argv: str | Path) -> list[str]:
        """`argv`, to run at the near end."""
        return ["nsenter", f"--net={self._near}", *map(str, argv)]

    def there(self, *argv: str | Path) -> list[str]:
        """`argv`, to run at the far end."""
        return ["nsenter", f"--net={self._far}", *map(str, argv)]

    def pull(self) -> None:
        _run(self.there("ip", "link", "set", "far", "down"))

    def plug(self) -> None:
        _run(self.there("ip", "link", "set", "far", "up"))


@contextmanager
def cable() -> Iterator[Cable]:
    """Only in the thread that has entered; to be left there, too."""
    with open("/proc/thread-self/ns/net") as own:
        _check(_libc.unshare(_CLONE_NEWNET))
        try:
            with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as far:
                try:
                    yield _laid(far)
                finally:
                    far.communicate()
        finally:
            _check(_libc.setns(own.fileno(), _CLONE_NEWNET))


def _laid(far: subprocess.Popen[bytes]) -> Cable:
    thread = f"/proc/{os.getpid()}/task/{threading.get_native_id()}"
    laid = Cable(f"{thread}/ns/net", f"/proc/{far.pid}/ns/net")
    own = os.readlink("/proc/thread-self/ns/net")
    while os.readlink(f"/proc/{far.pid}/ns/net") == own:
        os.sched_yield()  # unshare has not come so far yet
    _run(["ip", "link", "set", "lo", "up"])
    _run(["ip", "link", "add", "near", "type", "veth", "peer", "far", "netns", str(far.pid)])
    _run(["ip", "address", "add", f"{NEAR}/30", "dev", "near"])
    _run(["ip", "link", "set", "near", "up"])
    _run(laid.there("ip", "address", "add", f"{FAR}/30", "dev", "far"))
    laid.plug()
    return laid


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def why_not() -> str | None:
    """Why no network can be had here, and what to do; None when it can."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces: run the tests as root"
    if shutil.which("ip") is None:
        return "needs ip: apt-get install iproute2"
    return None
