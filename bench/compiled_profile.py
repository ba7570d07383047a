"""edge. What the compiled relay spends its user instructions on, while it is as busy as can be.

    python -m bench.compiled_profile [SIGN_ONS [LINKS]]

By Linux's perf, as root. Every sample counts for the innermost thing that this file has a name for:
a call of sockets, epoll, msgspec or the interpreter, else the compiled function it came from. The
first table says what for, by the compiled module it was called from. What the kernel does in
between is counted beside it, and not taken apart.
"""

import collections
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.contestants import Contestant, ContestantError, running
from bench.counters import counting
from bench.figures import table
from bench.generator import GeneratorError
from bench.measure import IN_FLIGHT, WARM_UP
from bench.process import settle
from bench.programs import build_programs

INSTRUCTIONS: Final = 200_003
"""Between two samples, each of which takes STACK bytes of the stack along."""
STACK: Final = 16384
SIGN_ONS: Final = 10_000
LINKS: Final = 16
LEAST: Final = 0.004
START_SECONDS: Final = 0.5

_NAMES: Final = {
    "sock_accept": "sockets: accept",
    "os_read": "sockets: read",
    "os_write": "sockets: write",
    "os_close": "sockets: close",
    "os_set_blocking": "sockets: that they do not block",
    "select_epoll_poll": "epoll: wait",
    "pyepoll_internal_ctl": "epoll: register, modify",
    "mpack_encode": "msgspec: encode a message",
    "mpack_decode": "msgspec: decode a message",
    "JSONEncoder_encode_lines": "msgspec: encode a log line",
    "_PyEval_EvalFrameDefault": "interpreted Python: Trio, messages, the jitter",
    "gc_collect_main": "garbage collection",
}
_PURPOSES: Final = {
    "sockets and epoll: calls and their objects": ("switch",),
    "frames and messages: read, checked, written": (
        *("data_messages", "request_messages", "numbers", "frames", "outbox"),
    ),
    "requests and transactions: found, paired, capped, ended": (
        *("requests", "transactions", "links", "broker", "effects", "ends"),
    ),
    "who may come and for how long: sources, pools, deadlines": (
        *("door", "admission", "buckets", "deadlines", "arrivals", "peers", "floods", "proxies"),
    ),
    "log and tally": ("logs", "tally", "sign_on_id", "moments"),
}
"""By compiled modules."""
_INTERPRETED: Final = "Trio's turns and the rest of the process"
_COMPILED: Final = re.compile(r"CPyDef_([a-z_]+?)___(.+)")
_OWN: Final = "relay: "


def profile(sign_ons: int, links: int, data: Path) -> dict[str, float]:
    """Record into `data`; what is counted of another run, for each sign-on."""
    build_programs()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Contestant("bartizan", links), Path(folder)) as relay,
    ):
        relay.generator.run(WARM_UP, IN_FLIGHT)
        settle(relay.pid)
        with counting(relay.pid) as counted:
            relay.generator.run(sign_ons, IN_FLIGHT)
            settle(relay.pid)
        recorder = subprocess.Popen(
            [
                *("perf", "record", "--quiet", "--event=instructions:u", f"--count={INSTRUCTIONS}"),
                *(f"--call-graph=dwarf,{STACK}", f"--output={data}", f"--pid={relay.pid}"),
            ]
        )
        time.sleep(START_SECONDS)
        relay.generator.run(sign_ons, IN_FLIGHT)
        settle(relay.pid)
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    return {name: count / sign_ons for name, count in counted.items()}


def stacks(data: Path) -> Iterator[list[str]]:
    """The functions of each sample, innermost first."""
    said = subprocess.run(
        ["perf", "script", f"--input={data}", "--fields=ip,sym"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    for block in said.split("\n\n"):
        frames = [line.split() for line in block.splitlines()]
        functions = [frame[1] for frame in frames if len(frame) > 1]
        if functions:
            yield functions


def named(functions: list[str]) -> str:
    for function in functions:
        if function in _NAMES:
            return _NAMES[function]
        compiled = _COMPILED.match(function)
        if compiled is not None:
            return f"{_OWN}{compiled[1]}.{compiled[2].replace('___', '.')}"
    return "the rest of the process"


def purpose(functions: list[str]) -> str:
    """What a sample was for: by the innermost compiled module that has one."""
    for function in functions:
        compiled = _COMPILED.match(function)
        if compiled is not None:
            for name, modules in _PURPOSES.items():
                if compiled[1] in modules and "mypyc_generator" not in function:
                    return name
    return _INTERPRETED


def show_purposes(purposes: "collections.Counter[str]", counted: dict[str, float]) -> None:
    total = purposes.total()
    print(f"{counted['kernel_instructions']:.0f} instructions of the kernel for a sign-on, and")
    print(f"{counted['user_instructions']:.0f} of the relay, for\n")
    print(table(["", "share"], [[n, f"{c / total:.1%}"] for n, c in purposes.most_common()]))
    print()


def show(counts: "collections.Counter[str]", sign_ons: int) -> None:
    total = counts.total()
    each = INSTRUCTIONS / sign_ons
    print(f"{total * each:.0f} user instructions for a sign-on, by where they are spent\n")
    own = sum(count for name, count in counts.items() if name.startswith(_OWN))
    rows = [(name, count) for name, count in counts.most_common() if count / total >= LEAST]
    rows.insert(0, (f"{_OWN}in all", own))
    print(
        table(
            ["", "instructions", "share"],
            [[name, f"{count * each:.0f}", f"{count / total:.1%}"] for name, count in rows],
        )
    )


def main(arguments: list[str]) -> None:
    if shutil.which("perf") is None:
        sys.exit("bench: perf is not installed (apt-get install linux-perf)")
    sign_ons = int(arguments[0]) if arguments else SIGN_ONS
    links = int(arguments[1]) if len(arguments) > 1 else LINKS
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "samples"
            counted = profile(sign_ons, links, data)
            found = list(stacks(data))
            show_purposes(collections.Counter(map(purpose, found)), counted)
            show(collections.Counter(map(named, found)), sign_ons)
    except (ContestantError, GeneratorError) as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
