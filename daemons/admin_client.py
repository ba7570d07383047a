"""edge. Asks a running daemon, over its admin socket."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from daemons.lines import MAX_LINE, AdminWireError, Done, Refused, encode_line

ANSWER_SECONDS: Final = 30.0
"""For each reply that the daemon can give at once, a busy disk included."""

_Reply = TypeVar("_Reply")


class UnreachableError(Exception):
    """No daemon answers; the message says why and what to do."""


class RefusedError(Exception):
    """The daemon did not do it; the message says why."""


def ask_daemon(
    what: str,
    path: Path,
    request: Struct,
    decode: Callable[[bytes], _Reply],
    patience: float | None = ANSWER_SECONDS,
) -> Iterator[_Reply]:
    """The replies to `request` except Done, the last. `patience` in seconds for each, or None.

    `what` is "agent" or "relay". Leaving the iteration early closes the connection and so cancels
    the request. Raises UnreachableError and RefusedError.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(encode_line(request))
            connection.settimeout(patience)
            with connection.makefile("rb") as lines:
                while True:
                    reply = decode(lines.readline(MAX_LINE + 1))
                    if isinstance(reply, Done):
                        return
                    if isinstance(reply, Refused):
                        raise RefusedError(reply.reason)
                    yield reply
        except (FileNotFoundError, ConnectionRefusedError):
            raise UnreachableError(
                f"{path}: no {what} listens there: is it running"
                f" (systemctl status bartizan-{what}), with this configuration?"
            ) from None
        except PermissionError:
            raise UnreachableError(
                f"{path}: permission denied: run this as root or as the {what}'s user"
            ) from None
        except (OSError, AdminWireError):
            raise UnreachableError(
                f"{path}: the {what} ended the connection or does not answer: see its log"
            ) from None
