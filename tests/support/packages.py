"""edge. The packages as `make deb` makes them, once for all tests of a run."""

import functools
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / "deb"
PROGRAMS: Final = ("dh", "dh_python3", "dpkg-buildpackage", "lintian")


@functools.cache
def built_packages() -> tuple[Path, ...]:
    """The .deb files, of the code as it is now."""
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, "deb"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tuple(sorted(FOLDER.glob("*.deb")))
