"""edge. The networks that Bartizan is for: an intranet, the outside, a bastion between them.

Three network namespaces. Intranet and outside have the bastion as their gateway, so that it is only
the bastion's refusal to forward that keeps them apart.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

INNER: Final = "10.0.0.5"
"""The bastion's address towards the intranet."""
OUTER: Final = "192.0.2.5"
"""The bastion's address towards the world."""
HOST: Final = "10.0.0.7"
DEVICE: Final = "192.0.2.77"
INTERFACE: Final = "link0"
"""Of the intranet and of the world outside; the bastion has `inner` and `outer`."""


@dataclass(frozen=True)
class Topology:
    """Names of network namespaces."""

    intranet: str
    bastion: str
    outside: str


@contextmanager
def topology() -> Iterator[Topology]:
    """Up when this yields, gone at the end."""
    label = f"bartizan-{os.getpid()}"
    names = Topology(f"{label}-intranet", f"{label}-bastion", f"{label}-outside")
    every = (names.intranet, names.bastion, names.outside)
    made: list[str] = []
    try:
        for name in every:
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        # As a kernel without other orders has it; a new namespace may inherit its maker's.
        for key in ("net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0"):
            _run("ip", "netns", "exec", names.bastion, "sysctl", "--quiet", "--write", key)
        _join(names.bastion, "inner", INNER, names.intranet, HOST)
        _join(names.bastion, "outer", OUTER, names.outside, DEVICE)
        yield names
    finally:
        for name in made:
            _ip("netns", "delete", name)


def _join(bastion: str, interface: str, gateway: str, other: str, address: str) -> None:
    """A cable from the bastion's `interface` to the only one of `other`, whose gateway it is."""
    _ip(
        *("-n", bastion, "link", "add", interface, "type", "veth"),
        *("peer", "name", INTERFACE, "netns", other),
    )
    for name, end, own in ((bastion, interface, gateway), (other, INTERFACE, address)):
        _ip("-n", name, "address", "add", f"{own}/24", "dev", end)
        _ip("-n", name, "link", "set", end, "up")
    _ip("-n", other, "route", "add", "default", "via", gateway)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
