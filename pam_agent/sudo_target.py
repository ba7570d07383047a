"""pure. As whom sudo is to run a command, by what was typed: PAM is not told.

Must not claim another user than root where sudo might read the words in another way: what is not
understood has no target.
"""

import getopt
import shlex
from typing import Final

_SHORT: Final = "Aa:BbC:c:D:Eeg:HikNnPp:R:r:SsT:t:u:"
_LONG: Final = (
    *("askpass", "auth-type=", "background", "bell", "chdir=", "chroot=", "close-from="),
    *("command-timeout=", "edit", "group=", "login", "login-class=", "no-update"),
    *("non-interactive", "preserve-groups", "prompt=", "reset-timestamp", "role=", "set-home"),
    *("shell", "stdin", "type=", "user="),
)
"""sudo(8): what may stand before a command. `--preserve-env` is left out, since it may have a list
behind it or not, and so is what runs no command."""

CUT: Final = "\u2026"
"""What the module puts at the end of a line that it has cut; an argument that ends so is quoted."""

_SAME: Final = {"--user": "-u", "--group": "-g", "--shell": "-s", "--login": "-i"}
_WITHOUT_COMMAND: Final = {"-s", "-i"}
"""They start a shell."""
_SUPERUSER: Final = "root"


def target_of(command: str, user: str) -> str:
    """A name, with a group behind it if one was typed; empty if this is no command, or not clear.

    `command` is a line as a shell takes it, sudo's own name first. Without `-u` it is root's unless
    sudoers has `runas_default`, which is not known here; with `-g` alone it is that of `user`.
    """
    if command.endswith(CUT):
        return ""  # what was cut off may say otherwise
    chosen: dict[str, str] = {}
    try:
        rest = shlex.split(command)[1:]
        while True:
            words = rest
            options, rest = getopt.getopt(words, _SHORT, _LONG)
            chosen |= {_SAME.get(option, option): value for option, value in options}
            ended = words[: len(words) - len(rest)][-1:] == ["--"]
            if ended or not rest or rest[0].startswith("/") or "=" not in rest[0]:
                break
            del rest[0]  # a variable for the command, and then sudo reads on
    except (ValueError, getopt.GetoptError):
        return ""
    if not rest and not chosen.keys() & _WITHOUT_COMMAND:
        return ""
    name = chosen.get("-u")
    if group := chosen.get("-g"):
        return f"{name or user}, group {group}"
    return name or _SUPERUSER
