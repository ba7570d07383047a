"""pure. What a service manager tells a process by its environment, and what is told back.

sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3), as systemd documents them for programs
that do not use its library. Nothing of it concerns a process with another id than the one named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START."""

MAX_DESCRIPTORS: Final = 65_536
"""More than a service manager hands over; a wrong number is not counted up to."""

MAX_STORED: Final = 253
"""Descriptors in one message: SCM_MAX_FD of Linux."""

MAX_STATUS: Final = 256
"""Characters of STATUS=: `systemctl status` shows one line of it."""

VARIABLES: Final = (
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "FDSTORE",
)
"""What is unset once it has been read: no child of ours is to take it for its own."""

_MICROSECONDS: Final = 1_000_000


class SupervisionError(Exception):
    """The environment contradicts itself; the message names the variable."""


@dataclass(frozen=True)
class Supervision:
    """`notify` is the address of the manager's datagram socket, None without a manager.

    `watchdog` is how many seconds may pass between two signs of life, None when nobody minds.
    `descriptors` are the ones that were handed over, with their names ("unknown" without one).
    `store` is how many the manager keeps for the next process, 0 when it keeps none.
    """

    notify: str | None = None
    watchdog: float | None = None
    descriptors: tuple[tuple[int, str], ...] = ()
    store: int = 0


def supervision(environment: Mapping[str, str], pid: int) -> Supervision:
    """What `environment` says to the process `pid`. Raises SupervisionError."""
    return Supervision(
        _notify(environment.get("NOTIFY_SOCKET", "")),
        _watchdog(environment, pid),
        _descriptors(environment, pid),
        _store(environment),
    )


def _notify(address: str) -> str | None:
    """A path, or an abstract name with `@` in the place of its NUL."""
    if not address:
        return None
    if address[0] not in "/@" or len(address) == 1:
        raise SupervisionError(f"NOTIFY_SOCKET: found {address!r}, expected /path or @name")
    return f"\0{address[1:]}" if address[0] == "@" else address


def _watchdog(environment: Mapping[str, str], pid: int) -> float | None:
    if not environment.get("WATCHDOG_USEC") or not _is_meant("WATCHDOG_PID", environment, pid):
        return None
    return _number("WATCHDOG_USEC", environment, 2**63) / _MICROSECONDS


def _descriptors(environment: Mapping[str, str], pid: int) -> tuple[tuple[int, str], ...]:
    if not environment.get("LISTEN_PID") or not environment.get("LISTEN_FDS"):
        return ()
    if not _is_meant("LISTEN_PID", environment, pid):
        return ()
    count = _number("LISTEN_FDS", environment, MAX_DESCRIPTORS)
    listed = environment.get("LISTEN_FDNAMES", "")
    names = listed.split(":") if listed else ["unknown"] * count
    if len(names) != count:
        raise SupervisionError(f"LISTEN_FDNAMES: found {len(names)} names for {count} descriptors")
    return tuple(enumerate(names, start=FIRST_DESCRIPTOR))


def _store(environment: Mapping[str, str]) -> int:
    """systemd says it itself from version 254 on; before, the unit does by Environment=."""
    return _number("FDSTORE", environment, 2**32) if environment.get("FDSTORE") else 0


def _is_meant(variable: str, environment: Mapping[str, str], pid: int) -> bool:
    """Whether `variable` names this process, or is not there, which means whoever reads it."""
    return not environment.get(variable) or _number(variable, environment, 2**63) == pid


def _number(variable: str, environment: Mapping[str, str], maximum: int) -> int:
    text = environment[variable]
    # Of at most 19 digits: Python takes quadratic time for more, and refuses thousands.
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(2**63))):
        raise SupervisionError(f"{variable}: found {text[:40]!r}, expected a number")
    if not 1 <= int(text) <= maximum:
        raise SupervisionError(f"{variable}: found {text}, expected 1 to {maximum}")
    return int(text)


# ---- what is told ----------------------------------------------------------------------------


def ready(status: str) -> bytes:
    """Start-up, or a reload, is over."""
    return b"READY=1\n" + status_is(status)


def reloading(monotonic: float) -> bytes:
    """The configuration is read again; ends with `ready`. `monotonic`: CLOCK_MONOTONIC, seconds."""
    return b"RELOADING=1\nMONOTONIC_USEC=%d\n" % round(monotonic * _MICROSECONDS)


def stopping() -> bytes:
    """It will end, by itself."""
    return b"STOPPING=1\n"


def status_is(text: str) -> bytes:
    """One line for `systemctl status`, cut to MAX_STATUS characters."""
    line = " ".join(text.split())[:MAX_STATUS]
    return f"STATUS={line}\n".encode(errors="replace")


def alive() -> bytes:
    """A sign of life for the watchdog."""
    return b"WATCHDOG=1\n"


def keep(name: str) -> bytes:
    """The descriptors that come with it are for the next process. `name` is theirs: no colon.

    They stay also when the other end hangs up, or else the manager would drop them unseen.
    """
    return b"FDSTORE=1\nFDPOLL=0\nFDNAME=%s\n" % name.encode("ascii")


def forget(name: str) -> bytes:
    """No descriptor of this name is kept any more."""
    return b"FDSTOREREMOVE=1\nFDNAME=%s\n" % name.encode("ascii")


def barrier() -> bytes:
    """The descriptor that comes with it is closed when all before has been read."""
    return b"BARRIER=1"
