"""edge. What the system's own libpam makes of a stack, thousands a second and without root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pam_agent.stack_codes import Code
from tests.support.c_programs import built

SOURCE: Final = Path(__file__).with_name("pam_results.c")
NOT_CALLED: Final = -1


@dataclass(frozen=True)
class Results:
    """`folder` plays /etc/pam.d; it may be written to between two questions."""

    folder: Path
    process: "subprocess.Popen[str]"

    def of(self, service: str) -> tuple[Code, Code | None]:
        """What pam_authenticate returns, and pam_setcred where that was a success."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(service + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert said, f"libpam did not survive {service}"
        authenticated, set_ = map(int, said.split())
        return Code(authenticated), None if set_ == NOT_CALLED else Code(set_)

    def of_files(self, files: dict[str, str], service: str = "service") -> Code:
        """What pam_authenticate returns for a service whose files are all written anew."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        return self.of(service)[0]


@contextmanager
def pam_results(folder: Path) -> Iterator[Results]:
    """Whose `@include` finds its file in /etc/pam.d, whatever the folder: it lies there, too."""
    apart = (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    )
    inside = 'mount --bind "$1" /etc/pam.d && exec "$0" "$1"'
    command = [
        *apart,
        "sh",
        "-c",
        inside,
        str(built(SOURCE, "pam_results", "-rdynamic", "-O2", libraries=("-lpam",))),
        str(folder),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Results(folder, process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0
