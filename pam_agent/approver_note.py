"""pure. What the approver is told of what is to be done once signed on."""

from typing import Final

from pam_agent.local_wire import Start
from pam_agent.sudo_target import target_of
from protocol.signon_messages import MAX_NOTE
from protocol.text import clean, fit

MAX_SHOWN_DIRECTORY: Final = 200
"""UTF-8 bytes of a working directory: the command behind it needs the room."""

MAX_SHOWN_TARGET: Final = 80
"""Of the target user's name, and of a group's: a longer one is nobody's on Linux (32 bytes)."""


def note_of(start: Start, account: str) -> str:
    """For CONTEXT: under which name, by whom, as whom, where, and then the command line, at most
    640 bytes.

    What stands in front is short, so that it is the command that is cut, and shows that it was.
    """
    parts = []
    if start.user != account:
        parts.append(f"signs on as {clean(start.user)}")
    if start.ruser not in ("", start.user):
        parts.append(f"by {clean(start.ruser)}")
    if target := target_of(start.note, start.user):
        parts.append(f"as {fit(target, MAX_SHOWN_TARGET)}")
    if start.directory:
        parts.append(f"in {fit(start.directory, MAX_SHOWN_DIRECTORY)}")
    before = ", ".join(parts)
    if not start.note:
        return fit(before, MAX_NOTE)
    return fit(f"{before}: {start.note}" if before else start.note, MAX_NOTE)
