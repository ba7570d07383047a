"""edge. Asks the running agent, over its admin socket."""

from collections.abc import Iterator
from pathlib import Path

from daemons.admin_client import ANSWER_SECONDS, ask_daemon
from pam_agent.admin_wire import Reply, Request, decode_reply


def ask(path: Path, request: Request, patience: float | None = ANSWER_SECONDS) -> Iterator[Reply]:
    """The replies to `request` except Done, the last. `patience` in seconds for each, or None.

    Leaving the iteration early closes the connection and so cancels the request.
    Raises UnreachableError and RefusedError.
    """
    return ask_daemon("agent", path, request, decode_reply, patience)
