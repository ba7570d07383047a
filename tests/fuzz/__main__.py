"""edge. `make fuzz`: every target for a while, or until it has had so many executions.

python -m tests.fuzz [--seconds S] [--runs N] [TARGET ...]

With --runs, what was done before counts (build/fuzz/figures.json), so a long run may be broken off
and gone on with. Exits with 1 when something was found, and says where the input is.
"""

import argparse
import fcntl
import json
import sys

from tests.fuzz.place import FOUND, ROOT, TARGETS, WORK
from tests.fuzz.running import BrokenError, Slice, command, run

FIGURES = WORK / "figures.json"
SLICE_SECONDS = 300
"""A broken-off long run loses no more than this."""
ANY_NUMBER = -1

Figures = dict[str, dict[str, float]]


def read_figures() -> Figures:
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else {}


def add(target: str, slice_: Slice) -> dict[str, float]:
    """Count a slice; the figures of its target so far. Others may count other targets meanwhile."""
    with (WORK / "figures.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        figures = read_figures()
        before = figures.get(target, {})
        now = figures[target] = {
            "executions": before.get("executions", 0) + slice_.executions,
            "seconds": before.get("seconds", 0) + slice_.seconds,
            "coverage": slice_.coverage,
            "corpus": slice_.corpus,
            "findings": before.get("findings", 0) + len(slice_.findings),
        }
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return now


def report(target: str, figures: dict[str, float]) -> None:
    rate = figures["executions"] / max(figures["seconds"], 1)
    print(
        f"{target:20} {figures['executions']:>13,.0f} executions {figures['seconds']:>7,.0f} s"
        f" {rate:>8,.0f}/s {figures['coverage']:>5,.0f} edges {figures['corpus']:>5,.0f} inputs"
        f" {figures['findings']:>3,.0f} findings",
        flush=True,
    )


def fuzz(target: str, seconds: int, runs: int | None) -> bool:
    """Whether nothing was found."""
    program = command(target)
    while True:
        figures = read_figures().get(target, {})
        left = ANY_NUMBER if runs is None else max(runs - int(figures.get("executions", 0)), 0)
        if left == 0:
            report(target, figures)
            return True
        slice_ = run(target, program, left, seconds if runs is None else SLICE_SECONDS)
        figures = add(target, slice_)
        for path in slice_.findings:
            print(f"  FOUND {path.relative_to(ROOT)}")
            print(f"  said in {(WORK / 'logs' / f'{target}.log').relative_to(ROOT)}")
            print(f"  once mended, keep it: {(FOUND / target).relative_to(ROOT)}/WHAT-IT-IS")
        if slice_.findings or runs is None:
            report(target, figures)
            return not slice_.findings


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    clean = True
    try:
        for target in arguments.targets or TARGETS:
            clean &= fuzz(target, arguments.seconds, arguments.runs)
    except BrokenError as error:
        print(f"make fuzz: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
