"""edge. The files of a host as its own programs find them, when it lies in a folder, too.

Symbolic links are followed under the host's own root, and nothing is opened that could make the
reader wait: a named pipe, a device.
"""

import errno
import glob
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

MAX_FILE: Final = 1 << 20
"""Bytes of a configuration file; one that has more is not read, not even in part."""
MAX_LINKS: Final = 40
"""Symbolic links on the way to a file: Linux' own limit."""

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class Trouble(Enum):
    """Why a file cannot be read."""

    GONE = "there is no such file"
    """For nobody, and so not for the programs of that host."""
    CLOSED = "it cannot be opened"
    """By whoever runs this."""
    ODD = "it is no regular file, or far too large"


@dataclass(frozen=True)
class HostFiles:
    """`root` is an absolute path."""

    root: Path = Path("/")

    def under(self, path: Path) -> Path:
        """Where a path of that host really is. OSError when its links lead nowhere."""
        if self.root == Path("/"):
            return path
        todo, real, links = list(path.parts[1:]), self.root, 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                real = real if real == self.root else real.parent
                continue
            real /= part
            if not real.is_symlink():
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = real.readlink()
            real = self.root if target.is_absolute() else real.parent
            todo = [*target.parts[target.is_absolute() :], *todo]
        return real

    def read(self, path: Path) -> str | Trouble:
        """What is in a file, or why that cannot be said."""
        try:
            return _regular(self.under(path))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            number = error.errno if isinstance(error, OSError) else errno.ENOENT
            return Trouble.GONE if number in _GONE else Trouble.CLOSED

    def text(self, path: Path) -> str | None:
        """What is in a file, None when it cannot be read."""
        found = self.read(path)
        return None if isinstance(found, Trouble) else found

    def status(self, path: Path) -> os.stat_result | None:
        """A file's type, permissions and owner, None when there is none."""
        try:
            return self.under(path).stat()
        except (OSError, ValueError):
            return None

    def matching(self, pattern: str) -> list[Path]:
        """The paths that an absolute glob(7) pattern stands for, in lexical order."""
        folder, _, name = pattern.rpartition("/")
        found = [Path(folder or "/")]
        if glob.has_magic(folder):
            found = self.matching(folder)
        return sorted(each for one in found for each in self._in(one, name))

    def _in(self, folder: Path, name: str) -> list[Path]:
        try:
            real = self.under(folder)
        except OSError:
            return []
        return [folder / each for each in glob.glob(name, root_dir=real)]


def _regular(path: Path) -> str | Trouble:
    if not stat.S_ISREG(path.stat().st_mode):
        return Trouble.ODD
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        content = file.read(MAX_FILE + 1)
    return Trouble.ODD if len(content) > MAX_FILE else content.decode(errors="replace")
