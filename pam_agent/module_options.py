"""pure. The arguments of pam_bartizan.so as the module takes them, and what is wrong with them."""

from collections.abc import Iterator, Sequence
from typing import Final

DEFAULT_SOCKET: Final = "/run/bartizan-agent/pam.sock"
DEFAULT_TIMEOUT: Final = 330
"""Seconds: what the module takes without `timeout=`."""
MAX_TIMEOUT: Final = 3600
"""Seconds: the most that it takes."""
MAX_SOCKET: Final = 107
"""Bytes of a socket's path."""

Wrong = tuple[str, str, str]
"""A finding's word, what is wrong, and what to do instead."""


def judge(
    arguments: Sequence[str], service: str, listening: str, longest: float
) -> Iterator[Wrong]:
    """Of a line of a service's stack, where the agent listens at `listening` and a sign-on may last
    `longest` seconds."""
    given: dict[str, str] = {}
    for each in arguments:
        refused = _refused(each, given)
        if refused:
            yield (
                "bad-option",
                f"the module does not take {each!r}, {refused}, and fails at every sign-on.",
                "Leave the module only socket=PATH, timeout=SECONDS and debug.",
            )
        name, _, value = each.partition("=")
        given[name] = value
    socket = given.get("socket", DEFAULT_SOCKET)
    if socket != listening:
        yield (
            "other-socket",
            f"the module asks at {socket}, and the agent listens at {listening}.",
            f"Write socket={listening} behind pam_bartizan.so.",
        )
    timeout = _seconds(given.get("timeout", f"{DEFAULT_TIMEOUT}"))
    if 0 < timeout < longest:
        yield (
            "module-timeout",
            f"the module gives up after {timeout} s; the agent allows a sign-on {longest:.0f} s.",
            f"Write timeout={longest + 30:.0f}, or lower sign_on in [services.{service}].",
        )


def _refused(argument: str, before: dict[str, str]) -> str:
    """Why the module fails, "" if it does not."""
    name, equals, value = argument.partition("=")
    if name in ("socket", "timeout") and equals:
        if name in before:
            return "which is given twice"
        if name == "socket":
            right = value.startswith("/") and len(value.encode()) <= MAX_SOCKET
            return "" if right else f"no absolute path of at most {MAX_SOCKET} bytes"
        return "" if _seconds(value) else f"no number of seconds from 1 to {MAX_TIMEOUT}"
    return "" if argument == "debug" else "which it does not know"


def _seconds(digits: str) -> int:
    """1 to MAX_TIMEOUT, 0 for anything else."""
    short = digits.lstrip("0")
    if not (digits.isascii() and short.isdigit() and len(short) <= len(f"{MAX_TIMEOUT}")):
        return 0
    return int(short) if int(short) <= MAX_TIMEOUT else 0
