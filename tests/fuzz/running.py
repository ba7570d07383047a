"""edge. One slice of one target's fuzzing: a process of libFuzzer, and what it says of itself."""

import os
import re
import resource
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.place import FOUND, HARNESSES, MODULE, ROOT, WORK, C, found, longest, seeds

UNIT_SECONDS = 60
"""An input that takes so long is a finding; a busy machine is not."""
CLANG = os.environ.get("CLANG", "clang")
FLAGS = (
    *("-std=c11", "-g", "-O1", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror"),
    *("-D_POSIX_C_SOURCE=200809L", "-D_DEFAULT_SOURCE", f"-I{MODULE}", "-fno-sanitize-recover=all"),
)
TRACING = ROOT / "tests/fuzz/tracing.c"
PURE_SOURCES = ("wire.c", "text.c", "options.c", "secret.c")


class BrokenError(Exception):
    """A target could not be run at all; the message says why."""


@dataclass(frozen=True)
class Slice:
    """What a process of libFuzzer said at its end. `coverage` in its own edges."""

    executions: int
    seconds: float
    """Of a processor."""
    coverage: int
    corpus: int
    findings: tuple[Path, ...]


def build(target: str, compiler: str, sanitizers: str, *more: Path, folder: Path) -> Path:
    """A target in C, with the module's pure files in it. Raises BrokenError."""
    program = folder / target
    sources = [HARNESSES / f"{target}.c", *more, *(MODULE / name for name in PURE_SOURCES)]
    command = [compiler, *FLAGS, f"-fsanitize={sanitizers}", "-o", program, *sources]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise BrokenError(f"{compiler} is not installed") from None
    except subprocess.CalledProcessError:
        raise BrokenError(f"{target}.c does not compile (see above)") from None
    return program


def build_tracing(folder: Path) -> None:
    """What stands between atheris and Python targets. Raises BrokenError."""
    headers = f"-I{sysconfig.get_path('include')}"
    options = ("-std=c11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", headers)
    try:
        subprocess.run([CLANG, *options, "-o", folder / "tracing.so", TRACING], check=True)
    except FileNotFoundError:
        raise BrokenError(f"{CLANG} is not installed") from None
    except subprocess.CalledProcessError:
        raise BrokenError("tracing.c does not compile (see above)") from None


def command(target: str) -> list[str]:
    """What runs a target under its fuzzer."""
    folder = WORK / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if target in C:
            return [str(build(target, CLANG, "fuzzer,address,undefined", folder=folder))]
        build_tracing(folder)
    except BrokenError as error:
        hint = "on Debian: apt-get install clang libclang-rt-14-dev python3-dev"
        raise BrokenError(f"{error}; {hint}") from None
    return [sys.executable, "-m", "tests.fuzz.run_target", str(folder), target]


def corpora(target: str) -> list[Path]:
    """The grown corpus, which new inputs go to, the seeds, written anew, and what was found."""
    grown, sown = WORK / "corpus" / target, WORK / "seeds" / target
    for folder in (grown, sown):
        folder.mkdir(parents=True, exist_ok=True)
    for old in sown.iterdir():
        old.unlink()
    for number, seed in enumerate(seeds(target)):
        (sown / f"{number:03}").write_bytes(seed)
    return [grown, sown, *([FOUND / target] if found(target) else [])]


def run(target: str, program: list[str], runs: int, seconds: int) -> Slice:
    """Until `runs` executions (-1: any number), `seconds` or a finding. Raises BrokenError."""
    findings = WORK / "findings" / target
    log = WORK / "logs" / f"{target}.log"
    for folder in (findings, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    options = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        f"-max_len={longest(target)}",
        f"-timeout={UNIT_SECONDS}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
        "-reload=0",
    ]
    used = _processor_seconds()
    with log.open("wb") as output:
        done = subprocess.run(
            [*program, *options, *map(str, corpora(target))],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = log.read_text(errors="replace")
    new = tuple(sorted(p for p in set(findings.iterdir()) - before if "slow-unit" not in p.name))
    if done.returncode != 0 and not new:
        raise BrokenError(f"{target} ended with {done.returncode}; its last words are in {log}")
    progress = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", said) or [("0", "0")]
    coverage, corpus = map(int, progress[-1])
    return Slice(
        executions=_stat(said, "number_of_executed_units"),
        seconds=_processor_seconds() - used,
        coverage=coverage,
        corpus=corpus,
        findings=new,
    )


def _processor_seconds() -> float:
    """Of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _stat(said: str, name: str) -> int:
    found_ = re.search(rf"stat::{name}:\s+(\d+)", said)
    return int(found_[1]) if found_ else 0
