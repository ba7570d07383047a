"""edge. The mistakes around the agent on this host: its sockets, its relays, the clock."""

import ctypes
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemons.admin_client import RefusedError, UnreachableError
from pam_agent.admin_client import ask
from pam_agent.admin_wire import RelayStatus, ShowStatus
from pam_agent.administration_wire import ListAdministration, MethodsLine
from pam_agent.check_finding import Finding, mistake, unchecked
from pam_agent.methods import Method
from pam_agent.settings import Config
from protocol.text import clean

AGENT: Final = "bartizan-agent"
FOR_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH
EARLIEST: Final = 1_735_689_600
"""2025-01-01: a clock that says less stands where a board without a battery puts it."""

_TIMEX_BYTES: Final = 256
"""More than a struct timex has; its first member, modes, stays 0: nothing is set."""
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


def agent(config: Config) -> Iterator[Finding]:
    """The agent's socket, as a program of any user finds it."""
    path = config.socket
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield mistake(
            "no-socket",
            "",
            str(path),
            f"PAM's module finds no agent there: {error.strerror}.",
            f"Start it: systemctl start {AGENT}; `journalctl -u {AGENT}` says what it lacks.",
        )
        return
    if not stat.S_ISSOCK(mode) or mode & FOR_OTHERS != FOR_OTHERS:
        yield mistake(
            "socket-closed",
            "",
            str(path),
            f"it is {stat.filemode(mode)}: a program of another user (PostgreSQL, or a user's own)"
            " cannot ask the agent.",
            f"Restart {AGENT}, which makes it for everybody; who may ask for whom is [callers].",
        )
    for folder in path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            yield mistake(
                "socket-closed",
                "",
                str(folder),
                f"others may not pass this folder, and so not open {path}.",
                f"chmod o+x {folder}",
            )
    yield from _answers(path)


def _answers(path: Path) -> Iterator[Finding]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trying:
        trying.settimeout(5)
        try:
            trying.connect(str(path))
        except OSError as error:
            yield mistake(
                "no-agent",
                "",
                str(path),
                f"nobody answers there: {error.strerror or 'timed out'}.",
                f"Start the agent: systemctl restart {AGENT}.",
            )


def relays(config: Config) -> Iterator[Finding]:
    """What the running agent says of its relays."""
    try:
        replies = list(ask(config.admin_socket, ShowStatus()))
    except (UnreachableError, RefusedError) as error:
        yield unchecked(
            "agent-not-asked",
            "",
            str(config.admin_socket),
            f"the agent could not be asked for its relays: {error}",
            "Run this as root, while the agent runs.",
        )
        return
    states = [each for each in replies if isinstance(each, RelayStatus)]
    for each in states:
        if not each.up:
            yield mistake(
                "relay-down",
                "",
                clean(each.address),
                f"this relay does not answer: {clean(each.trouble) or 'no word yet'}.",
                "Look at the relay (bartizan-relay status there), the network between, and the"
                " relay's key in /etc/bartizan/agent.toml; `bartizan-agent status` follows it.",
            )


def has_totp(config: Config) -> bool:
    """Whether the running agent lets an account use TOTP, whatever its services say."""
    try:
        replies = list(ask(config.admin_socket, ListAdministration()))
    except (UnreachableError, RefusedError):  # as told of its relays
        return False
    return any(isinstance(each, MethodsLine) and Method.TOTP in each.methods for each in replies)


def clock() -> Iterator[Finding]:
    """What the kernel says of the time."""
    if time.time() < EARLIEST:
        yield mistake(
            "clock-wrong",
            "",
            "the clock",
            f"it says {time.strftime('%Y-%m-%d', time.gmtime())}: TOTP codes are refused, and"
            " devices show a false time.",
            "Set it, and let it be kept: timedatectl set-ntp true.",
        )
    elif _unsynchronised():
        yield mistake(
            "clock-unsynchronised",
            "",
            "the clock",
            "nothing keeps it: TOTP codes are refused once it is half a minute off.",
            "timedatectl set-ntp true, or run chrony.",
        )


def _unsynchronised() -> bool:
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    return bool(ctypes.CDLL(None, use_errno=True).adjtimex(buffer) == _TIME_ERROR)
