"""edge. One Python target under atheris: `python -m tests.fuzz.run_target TRACING NAME [OPTION]`.

TRACING is the folder with the compiled tracing.c; the options are those of libFuzzer.

What the target imports of the project is instrumented, and of the second implementation what stands
for a compiled decoder: that one shows the fuzzer no branches, its counterpart does.
"""

import gc
import importlib
import sys
from pathlib import Path

import atheris

INSTRUMENTED = ("protocol", "relay", "pam_agent", "daemons", "validator", "tests")
"""Whole packages; atheris cannot be told less."""
OF_THE_TESTS = ("tests.fuzz.plain_msgpack", "tests.protocol.independent")
"""The rest of the tests is no code that is fuzzed, and would cost half of all the time."""
SELDOM = 20_000
"""Objects between two looks of the garbage collector, which would take a tenth of the time."""


def not_instrumented() -> list[str]:
    tests = Path("tests")
    folders = [path for path in (tests, *tests.rglob("*")) if path.is_dir()]
    names = (path.with_suffix("").as_posix() for path in (*folders, *tests.rglob("*.py")))
    return [name for name in (name.replace("/", ".") for name in names) if name not in OF_THE_TESTS]


def main() -> None:
    sys.path.append(sys.argv.pop(1))
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=INSTRUMENTED, exclude=not_instrumented()):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    gc.freeze()
    gc.set_threshold(SELDOM)
    atheris.Setup(sys.argv, target.once)
    core, tracing = map(importlib.import_module, ("atheris.core_with_libfuzzer", "tracing"))
    core._trace_branch, core._trace_cmp = tracing.branch, tracing.compare
    atheris.Fuzz()


main()
