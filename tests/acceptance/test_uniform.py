"""Uniform rejection: from outside nobody can tell what was wrong with a validator.

Relay and agent are processes of their own, with the relay's defaults. Every kind of stranger comes
many times, all at once. Whoever was no good receives not a byte and is reset at the same moment
after it came, whatever was wrong and however late the agent found out.
"""

import itertools
import random
import secrets
import signal
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from pam_agent.local_wire import Result
from protocol.frames import encode_frame, encode_preface
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH, MAC_LENGTH, TAG_LENGTH
from protocol.signon import ValidatorSignOn
from relay.limits import Limits
from relay.outcomes import ValidatorOutcome
from tests.support.bare_validator import SHARD, opening
from tests.support.caller import calling
from tests.support.namespace import USER
from tests.support.patience import PATIENCE
from tests.support.phone import Phone
from tests.support.plain_host import Programs, programs
from tests.support.programs import Daemon
from validator.outcomes import Outcome

HOLD: Final = Limits().hold
JITTER: Final = Limits().hold_jitter

SAMPLES: Final = 48
"""Of each kind. The median of so many moments, drawn from the jitter, strays by 18 ms."""

EARLY: Final = 0.05
"""Seconds: the relay reads its clock once for all that it accepts at a time."""

LATE: Final = 0.25
"""Seconds that a busy machine may add to a reset."""

APART: Final = 0.13
"""Seconds between the medians of two kinds: the jitter alone keeps below it in all but one of
100,000 runs; THINKING would show far above it."""

THINKING: Final = 1.0
"""Seconds for which the agent's process stands still, so that what it rejects it rejects late."""

VALIDATION: Final = 10.0
"""Seconds that a passcode is valid, the least there may be: the test waits for some to expire."""
EXPIRED: Final = 8
"""Passcodes that have expired; the strangers take turns with them."""

FLOOD: Final = 256 * 1024
"""Bytes: more than a relay reads of a stranger, so that its reset finds unread input."""

Kind = Callable[[], bytes]
"""What a stranger of this kind sends, another one each time."""


def unknown() -> bytes:
    return opening(secrets.token_bytes(TAG_LENGTH), secrets.token_bytes(H1_FRAME_LENGTH))


def of_another_version() -> bytes:
    return unknown().replace(b"BTZN\1", b"BTZN\2", 1)


def kinds(phone: Phone, expired: Sequence[str], waiting: Sequence[str]) -> dict[str, Kind]:
    """`expired` and `waiting` are passcodes of the phone's user."""
    old, good, forged = (itertools.cycle(each) for each in (expired, waiting, waiting))

    def tag_and_h1(passcode: str) -> tuple[bytes, bytes]:
        machine = ValidatorSignOn(phone.record.device_keys, Mode.PASSCODE, passcode)
        return machine.tag, machine.h1()

    def of_a_bad_mac() -> bytes:
        tag, h1 = tag_and_h1(next(good))
        return opening(tag, h1[:-MAC_LENGTH] + secrets.token_bytes(MAC_LENGTH))

    def of_no_h1() -> bytes:
        return opening(tag_and_h1(next(forged))[0], secrets.token_bytes(3))

    return {
        "unknown": unknown,
        "expired": lambda: opening(*tag_and_h1(next(old))),
        "bad MAC": of_a_bad_mac,
        "no H1": of_no_h1,
        "malformed": lambda: encode_preface(SHARD) + encode_frame(secrets.token_bytes(18)),
        "empty frame": lambda: encode_preface(SHARD) + b"\0\0",
        "wrong version": of_another_version,
        "random bytes": lambda: random.randbytes(random.randint(6, 3000)),
        "flood": lambda: random.randbytes(FLOOD),
        "half a frame": lambda: opening(secrets.token_bytes(TAG_LENGTH))[:-4],
        "half a preface": lambda: b"BTZ",
        "silent": lambda: b"",
    }


WORDS: Final = {
    ValidatorOutcome.UNMATCHED: 2,
    ValidatorOutcome.REJECTED: 2,
    ValidatorOutcome.MALFORMED: 5,
    ValidatorOutcome.SILENT: 3,
}
"""By the relay's own words for them, how many kinds there are."""


@dataclass
class Seen:
    """What strangers of one kind have seen: each one's end, and after how many seconds."""

    ends: list[str] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    async def come(
        self, relay: tuple[str, int], data: bytes, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Connect and wait for the end; the status is that it is connected, and sending."""
        with trio.socket.socket() as sock:
            began = trio.current_time()
            await sock.connect(relay)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send, sock, data)
                task_status.started()
                with trio.fail_after(PATIENCE):
                    self.ends.append(await _end(sock))
                self.after.append(trio.current_time() - began)
                nursery.cancel_scope.cancel()


async def _send(sock: trio.socket.SocketType, data: bytes) -> None:
    with suppress(OSError):  # the other direction says how it ended
        while data:
            data = data[await sock.send(data) :]


async def _end(sock: trio.socket.SocketType) -> str:
    try:
        data = await sock.recv(1)
    except ConnectionResetError:
        return "reset"
    return f"received {data!r}" if data else "closed"


async def test_all_that_are_no_good_look_the_same(tmp_path: Path) -> None:
    async with programs(tmp_path, validation=VALIDATION) as running:
        relay, agent = running.parts.relay, running.parts.agent
        expired = await _expired(running)
        async with _waiting(running) as waiting:
            known = len(relay.log)
            strangers = kinds(running.phone, expired, waiting)
            seen = {name: Seen() for name in strangers}
            async with trio.open_nursery() as nursery, _standing_still(agent):
                for _ in range(SAMPLES):
                    for name, data in strangers.items():
                        await nursery.start(seen[name].come, running.validators, data())
                await trio.sleep(THINKING)

        assert {end for each in seen.values() for end in each.ends} == {"reset"}
        moments = sorted(after for each in seen.values() for after in each.after)
        assert len(moments) == SAMPLES * len(strangers)
        assert moments[0] >= HOLD - EARLY
        assert moments[-1] <= HOLD + JITTER + LATE
        medians = {name: statistics.median(each.after) for name, each in seen.items()}
        assert max(medians.values()) - min(medians.values()) < APART, medians

        # That each kind was what it was meant to be; and none of it has hurt the device.
        words = Counter(each["outcome"] for each in relay.log[known:] if "lasted" in each)
        assert words == {word.value: SAMPLES * count for word, count in WORDS.items()}
        await _signs_on(running)


async def _expired(running: Programs) -> list[str]:
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(calling(running.parts.socket, USER))
            for _ in range(EXPIRED)
        ]
        passcodes = [await each.passcode() for each in callers]
        for each in callers:
            assert await each.result() is Result.DENIED
    return passcodes


@asynccontextmanager
async def _waiting(running: Programs) -> AsyncIterator[list[str]]:
    """Passcodes of sign-ons that wait for a device."""
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(calling(running.parts.socket, USER))
            for _ in range(SAMPLES)
        ]
        yield [await each.passcode() for each in callers]


@asynccontextmanager
async def _standing_still(daemon: Daemon) -> AsyncIterator[None]:
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


async def _signs_on(running: Programs) -> None:
    async with calling(running.parts.socket, USER) as caller:
        ending = await running.phone.sign_on(await caller.passcode())
        assert ending.outcome is Outcome.SIGNED_ON
        assert await caller.result() is Result.APPROVED
