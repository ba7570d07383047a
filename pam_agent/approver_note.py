"""pure. What the approver is told of what is to be done once signed on."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from pam_agent.local_wire import Start
from pam_agent.sudo_target import CUT, target_of
from protocol.signon_messages import MAX_NOTE
from protocol.text import clean, fit

MAX_SHOWN_DIRECTORY: Final = 200
"""UTF-8 bytes of a working directory: the command behind it needs the room."""

MAX_SHOWN_TARGET: Final = 80
"""Of the target user's name, and of a group's: a longer one is nobody's on Linux (32 bytes)."""


MOST_BLANKS: Final = 3
"""In a row; more are told by their number, or what follows them would be out of sight."""

CUT_OFF: Final = "cut off"
"""Said in front, where it is read first."""

_BLANKS: Final = re.compile(rf"[\s\u115f\u1160\u2800\u3164\uffa0]{{{MOST_BLANKS + 1},}}")
"""What shows as nothing."""


def note_of(start: Start, account: str) -> str:
    """For CONTEXT: under which name, by whom, as whom, where, and then the command line, at most
    640 bytes.

    What stands in front is short, so that it is the command that is cut, and says first that it is.
    """
    command = _seen(start.note)
    parts = _before(start, account)
    whole = _joined(parts, command)
    if start.note.endswith(CUT) or fit(whole, MAX_NOTE) != whole:
        whole = _joined([CUT_OFF, *parts], command)
    return fit(whole, MAX_NOTE)


def _seen(text: str) -> str:
    return _BLANKS.sub(lambda run: f"[{len(run[0])} blanks]", clean(text))


def _joined(parts: Sequence[str], command: str) -> str:
    return ": ".join(each for each in (", ".join(parts), command) if each)


def _before(start: Start, account: str) -> list[str]:
    parts = []
    if start.user != account:
        parts.append(f"signs on as {clean(start.user)}")
    if start.ruser not in ("", start.user):
        parts.append(f"by {clean(start.ruser)}")
    if target := target_of(start.note, start.user):
        parts.append(f"as {fit(target, MAX_SHOWN_TARGET)}")
    if start.directory:
        # As an argument would be: whoever has named it may have put words into its name.
        parts.append(f"in {shlex.quote(fit(_seen(start.directory), MAX_SHOWN_DIRECTORY))}")
    return parts
