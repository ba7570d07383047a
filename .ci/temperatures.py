"""edge. The temperatures of ARCHITECTURE.md, read from the first word of each module's docstring.

temperatures.py check     every module has one; a pure module imports nothing that is not pure
temperatures.py pure      the pure modules' paths, joined by commas, for `coverage --include`
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("protocol", "relay", "pam_agent", "validator")
TEMPERATURES: Final = ("pure", "shell", "edge")

FORBIDDEN: Final = frozenset(
    [
        "asyncio",
        "fcntl",
        "logging",
        "multiprocessing",
        "os",
        "pwd",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "structlog",
        "subprocess",
        "sys",
        "tempfile",
        "termios",
        "threading",
        "time",
        "trio",
    ]
)
"""What reaches the world, its clock or its log; a pure module is given bytes, values and times."""


def temperature(path: Path) -> str:
    """The word, or an empty string when there is none."""
    word = (ast.get_docstring(ast.parse(path.read_text())) or "").partition(".")[0]
    return word if word in TEMPERATURES else ""


def modules() -> dict[str, Path]:
    """By the name that they are imported by; a package's own file holds no code and is left out."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """Every module that is named in an import, and every name in a `from` as if it were one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def complaints() -> Iterator[str]:
    """What breaks the rules, a line each."""
    known = modules()
    warmth = {name: temperature(path) for name, path in known.items()}
    for name, path in known.items():
        where = path.relative_to(ROOT)
        if not warmth[name]:
            yield f"{where}: the docstring does not begin with one of: {', '.join(TEMPERATURES)}"
        if warmth[name] != "pure":
            continue
        for other in sorted(set(imported(path))):
            if other.partition(".")[0] in FORBIDDEN:
                yield f"{where}: is pure and imports {other}"
            elif warmth.get(other, "pure") != "pure":
                yield f"{where}: is pure and imports {other}, which is {warmth[other]}"


def main() -> int:
    if sys.argv[1:] == ["pure"]:
        pure = [path for path in modules().values() if temperature(path) == "pure"]
        print(",".join(str(path.relative_to(ROOT)) for path in pure))
        return 0
    if sys.argv[1:] == ["check"]:
        found = list(complaints())
        print("\n".join(found) or f"{len(modules())} modules, each with its temperature")
        return 1 if found else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
