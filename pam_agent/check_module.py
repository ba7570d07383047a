"""edge. Whether the module is where libpam looks for it, and may be read by all who ask."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pam_agent.check_finding import Finding, mistake
from pam_agent.host_files import HostFiles
from pam_agent.pam_files import FOLDERS, PamFiles
from pam_agent.stack_file import read
from pam_agent.stack_paths import OURS

PLACES: Final = (
    "/lib/*/security",
    "/usr/lib/*/security",
    "/lib/security",
    "/usr/lib/security",
    "/lib64/security",
    "/usr/lib64/security",
)
"""Where distributions have libpam look for modules; each has one of them."""
BESIDE: Final = "pam_permit.so"
"""A module of libpam's own, which is in that folder on every host."""


def judge(used: list[str], pam: PamFiles) -> Iterator[Finding]:
    """Of the stacks of the services that have the module; each place of it is told once."""
    seen = set()
    for name in used:
        reading = read(name, pam.text)
        for entry in (*reading.entries, *reading.others):
            if entry.name != OURS or entry.module in seen:
                continue
            seen.add(entry.module)
            folder = "" if entry.file.startswith("/") else f"{FOLDERS[0]}/"
            wrong = _wrong(_places(entry.module, pam.files), pam.files)
            if wrong:
                yield mistake(
                    "no-module",
                    name,
                    f"{folder}{entry.file}:{entry.line}",
                    f"{wrong}: libpam takes that as a failure, and nobody signs on.",
                    "Install the package bartizan-agent, or correct the path and `chmod a+r` it.",
                )


def _places(module: str, files: HostFiles) -> list[Path]:
    """Where libpam may look. None where the host's libpam is not seen: of a host in a folder there
    may be the configuration alone."""
    if module.startswith("/"):
        return [Path(module)]
    folders = [each for place in PLACES for each in files.matching(place)]
    return [each / module for each in folders if files.status(each / BESIDE) is not None]


def _wrong(places: list[Path], files: HostFiles) -> str:
    found = [status.st_mode for each in places if (status := files.status(each)) is not None]
    regular = [mode for mode in found if stat.S_ISREG(mode)]
    named = " or ".join(str(each) for each in places)
    if places and not regular:
        return f"there is no module {named}"
    if places and not any(mode & stat.S_IROTH for mode in regular):
        return f"programs of other users may not read {named}"
    return ""
