"""edge. `make run`: a relay, an agent, PAM and a device on this machine; one sign-on with all four.

AUTO=1 approves and AUTO=deny denies on a demo device; without a terminal it is AUTO=1. Exit codes:
0 signed on; 1 not approved; 2 it could not be shown; 128 and the signal's number when interrupted.
"""

import os
import signal
import sys
from typing import Final

import trio
from failed import FailedError
from parties import enrol, parties
from place import private_place
from screen import heading, write
from sign_on import Result, sign_on
from timeline import steps, table

EXIT_SIGNED_ON: Final = 0
EXIT_NOT_APPROVED: Final = 1
EXIT_FAILED: Final = 2
EXIT_SIGNAL: Final = 128

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
VERDICTS: Final = {"1": "approve", "deny": "deny", "": ""}


async def demonstrate(auto: str) -> int:
    """The exit code. Raises FailedError."""
    with private_place() as place:
        write(
            "Bartizan: one sign-on with every part real, in a directory that is gone afterwards.\n"
        )
        async with parties(place) as running:
            await enrol(place)
            result = await sign_on(running, auto)
        show(result, place.user)
    return EXIT_SIGNED_ON if result.signed_on else EXIT_NOT_APPROVED


def show(result: Result, user: str) -> None:
    heading("What happened, in ms")
    for row in table(steps(result.lines, user)):
        write(row)
    ending = "signed on" if result.signed_on else "not approved"
    write(f"\nsign-on {result.sign_on_id}: {ending}" if result.sign_on_id else f"\n{ending}")


async def until_signalled(auto: str) -> int:
    """As `demonstrate`, but a signal ends it, with everything put away."""
    code = EXIT_NOT_APPROVED
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                nonlocal code
                async for number in signals:
                    code = EXIT_SIGNAL + number
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            code = await demonstrate(auto)
            nursery.cancel_scope.cancel()
    return code


def main() -> int:
    wanted = os.environ.get("AUTO", "")
    if wanted not in VERDICTS:
        print(f"AUTO={wanted}: expected 1 or deny", file=sys.stderr)
        return EXIT_FAILED
    if not wanted and not (sys.stdin.isatty() and sys.stdout.isatty()):
        wanted = "1"
    code = EXIT_FAILED
    try:
        code = trio.run(until_signalled, VERDICTS[wanted])
    except* BrokenPipeError:
        _write_no_more()
    except* (FailedError, OSError) as group:
        _write_no_more()
        print(f"\nmake run: {_first(group)}", file=sys.stderr)
    if code > EXIT_SIGNAL:
        print("\nnot approved: interrupted", file=sys.stderr)
    return code


def _write_no_more() -> None:
    """Python flushes when it ends, and would complain once more of what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


if __name__ == "__main__":
    sys.exit(main())
