"""edge. Where the relay's user time goes, while it is as busy as `make bench` makes it.

    python -m bench.profile [SIGN_ONS [LINKS]]

Shares are of the cycles in user mode; those in the kernel do not count, and microseconds are
`make bench`'s business. Cycles inside C code count for the Python line that called it.
"""

import collections
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.contestants import Command, Contestant, ContestantError, running
from bench.figures import table
from bench.generator import GeneratorError
from bench.measure import IN_FLIGHT, WARM_UP
from bench.programs import ROOT, build_programs
from bench.sampler import Place, Sampler

SAMPLED: Final = "--sampled"
CYCLES: Final = 1_000_003
"""Cycles between two samples: some tenths of a millisecond, and in step with nothing."""
SHOWN: Final = 32
LEAST: Final = 0.01
MOST: Final = 0.99
SIGN_ONS: Final = 100_000
LINKS: Final = 16

Stack = tuple[str, ...]
"""From the caller down; each `file:function:line`."""


class Samples(msgspec.Struct):
    """What a sampled process leaves behind."""

    stacks: list[tuple[Stack, int]]


def sampled(file: Path, arguments: list[str]) -> None:
    """Be the relay, and write where it was to `file` at the end."""
    from relay.cli import main as relay  # noqa: PLC0415  only the relay's own process has it

    try:
        sampler = Sampler(CYCLES)
    except OSError as error:
        sys.exit(f"this machine lets nobody count cycles: {error.strerror}")
    sampler.start()
    try:
        relay(arguments, standalone_mode=False)
    finally:
        sampler.stop()
        counts: collections.Counter[Stack] = collections.Counter()
        for places, count in sampler.stacks.items():
            counts[tuple(_text(place) for place in reversed(places))] += count
        file.write_bytes(msgspec.json.encode(Samples(list(counts.items()))))


def _text(place: Place) -> str:
    code, line = place
    path = Path(code.co_filename)
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{Path(*name.parts[-2:])}:{code.co_qualname}:{line}"


def profile(sign_ons: int, links: int) -> Samples:
    build_programs()
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples"
        command: Command = [sys.executable, "-m", "bench.profile", SAMPLED, samples]
        with running(Contestant("interpreted", links), Path(folder), command) as relay:
            relay.generator.run(WARM_UP, IN_FLIGHT)
            relay.generator.run(sign_ons, IN_FLIGHT)
        return msgspec.json.decode(samples.read_bytes(), type=Samples)


def show(samples: Samples) -> None:
    """As a tree of calls, by function alone, and by line."""
    total = sum(count for _, count in samples.stacks)
    alone: collections.Counter[str] = collections.Counter()
    lines: collections.Counter[str] = collections.Counter()
    root = Node()
    for stack, count in samples.stacks:
        functions = [line.rpartition(":")[0] for line in stack]
        root.add(functions, count)
        alone[functions[-1]] += count
        lines[stack[-1]] += count
    print(f"{total} samples of {CYCLES} cycles in user mode\n")
    print(table(["calls", "share"], root.rows(total)))
    for title, counts in (("alone", alone), ("line", lines)):
        rows = [[name, f"{count / total:.1%}"] for name, count in counts.most_common(SHOWN)]
        print("\n" + table([title, "share"], rows))


class Node:
    """A function, as it was called from the ones above it, with all that it calls."""

    def __init__(self) -> None:
        self.count = 0
        self.below: dict[str, Node] = collections.defaultdict(Node)

    def add(self, functions: list[str], count: int) -> None:
        node = self
        node.count += count
        for function in functions:
            node = node.below[function]
            node.count += count

    def rows(self, total: int, depth: int = 0) -> Iterator[list[str]]:
        """What has LEAST of the total and more; a way down without a fork is no news."""
        for name, node in sorted(self.below.items(), key=lambda item: -item[1].count):
            share = node.count / total
            forks = share < MOST
            if share >= LEAST:
                if forks:
                    yield ["  " * depth + name, f"{share:.1%}"]
                yield from node.rows(total, depth + forks)


def main(arguments: list[str]) -> None:
    if arguments[:1] == [SAMPLED]:
        sampled(Path(arguments[1]), arguments[2:])
        return
    sign_ons = int(arguments[0]) if arguments else SIGN_ONS
    try:
        show(profile(sign_ons, int(arguments[1]) if len(arguments) > 1 else LINKS))
    except (ContestantError, GeneratorError) as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
