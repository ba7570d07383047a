"""edge. The service files of a host's PAM, found as libpam finds them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pam_agent.host_files import HostFiles, Trouble

FOLDERS: Final = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"), Path("/usr/etc/pam.d"))
"""Where libpam looks for a service, one folder after the other; the last two are a vendor's."""


@dataclass
class PamFiles:
    """`closed` are the files that could not be opened by whoever runs this, as they are met."""

    files: HostFiles
    closed: list[str] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        """A service's file, or one that is named by its path; None where libpam has none."""
        if name.startswith("/"):
            return self._of(Path(name))
        texts = (self._of(folder / name) for folder in FOLDERS)
        return next((text for text in texts if text is not None), None)

    def names(self) -> list[str]:
        """All services; Debian's common-* are parts of others."""
        return sorted({each.name for each in self._paths()})

    def troubles(self) -> Iterator[tuple[Path, Trouble]]:
        """Names of services that are no files with a text."""
        for path in self._paths():
            found = self.files.read(path)
            if isinstance(found, Trouble):
                yield path, found

    def _of(self, path: Path) -> str | None:
        found = self.files.read(path)
        if found is Trouble.CLOSED:
            self.closed.append(str(path))
        return None if isinstance(found, Trouble) else found

    def _paths(self) -> Iterator[Path]:
        for folder in FOLDERS:
            for path in self.files.matching(f"{folder}/*"):
                if not path.name.startswith("common-") and ".dpkg-" not in path.name:
                    yield path
