"""edge. The C that tests need: programs and libraries, compiled when their source has changed."""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

BUILD: Final = Path(__file__).resolve().parents[2] / "build"
_FLAGS: Final = ("-std=c11", "-Wall", "-Wextra", "-Werror")


def built(source: Path, name: str, *flags: str, libraries: tuple[str, ...] = ()) -> Path:
    """The file `name`. It comes into its place whole: tests may run side by side."""
    target = BUILD / "tests" / name
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as private:
        made = Path(private) / name
        subprocess.run(["cc", *_FLAGS, *flags, "-o", made, source, *libraries], check=True)
        made.replace(target)
    return target
