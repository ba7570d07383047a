"""edge. One Python target under atheris: `python -m tests.fuzz.run_target NAME [OPTION ...]`.

The options are those of libFuzzer.

Everything that the target imports of the project is instrumented, the second implementation
included: a compiled decoder shows the fuzzer no branches, its counterpart does.
"""

import importlib
import sys

import atheris

INSTRUMENTED = [
    *("protocol", "relay", "pam_agent", "validator", "tests.fuzz.targets"),
    *("tests.fuzz.plain_msgpack", "tests.protocol.independent"),
]
"""Not tests.fuzz.world: its checks are no code that is fuzzed, and cost half of all the time."""


def main() -> None:
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    atheris.Setup(sys.argv, target.once)
    atheris.Fuzz()


main()
