"""edge. Where the fuzzing's parts are, and which targets there are."""

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz import module_seeds, targets

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "tests/fuzz/found"
"""Inputs that were found: a folder for each target, committed."""
WORK = ROOT / "build/fuzz"
MODULE = ROOT / "pam_agent/module"
HARNESSES = ROOT / "tests/fuzz/module"

LONGEST = 4096

PYTHON: tuple[str, ...] = tuple(m.name for m in pkgutil.iter_modules(targets.__path__))
"""Every file in targets/ is one."""
C: tuple[str, ...] = tuple(module_seeds.SEEDS)
TARGETS = PYTHON + C


def seeds(target: str) -> Iterable[bytes]:
    """What the real encoders make, and what the vectors refuse."""
    if target in C:
        return module_seeds.SEEDS[target]()
    made: Iterable[bytes] = importlib.import_module(f"tests.fuzz.targets.{target}").seeds()
    return made


def longest(target: str) -> int:
    """Bytes of an input: a target may say that its structure has no use for so many."""
    if target in C:
        return LONGEST
    return getattr(importlib.import_module(f"tests.fuzz.targets.{target}"), "LONGEST", LONGEST)


def found(target: str) -> list[Path]:
    return sorted(path for path in (FOUND / target).glob("*") if path.is_file())
