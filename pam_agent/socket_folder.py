"""edge. Whether somebody else may put a socket of theirs in the place of the agent's."""

import os
import stat
from pathlib import Path
from typing import Final

from daemons.unix_listener import ListenError

_FOR_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_UNMAPPED: Final = 65534
"""Whose a folder seems to be in a namespace of users that does not know its owner: Linux's default.
/proc/sys would say, and is not there in the agent's sandbox."""


def check_folder(path: Path) -> None:
    """Before listening on `path`. Raises ListenError: PAM's module would believe whoever does."""
    try:
        folder = replaceable(path, os.geteuid())
    except OSError as error:
        raise ListenError(f"{path}: cannot listen: {error.strerror}: {error.filename}") from None
    if folder is not None:
        raise ListenError(
            f"{path}: others may write in {folder}, and so listen in the agent's place: choose"
            f" another folder, or chown root {folder} and chmod go-w {folder}"
        )


def replaceable(path: Path, agent: int) -> Path | None:
    """The folder in which others than root and `agent` (a uid) may rename or remove what leads to
    `path`; None when there is none.

    Above the socket's own folder the sticky bit is enough. In its own it is not: whoever comes
    first has the name. Of links, where they stand and where they lead in the end is looked at.
    Raises OSError.
    """
    trusted = {0, agent, _UNMAPPED}
    own = path.parent.resolve(strict=True)
    for folder in dict.fromkeys((own, *own.parents, *path.parents)):
        status = folder.stat()
        kept = status.st_mode & stat.S_ISVTX and folder not in (own, path.parent)
        if status.st_uid not in trusted or (status.st_mode & _FOR_OTHERS and not kept):
            return folder
    return None
