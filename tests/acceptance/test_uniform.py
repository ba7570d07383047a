"""Uniform rejection: from outside nobody can tell what was wrong with a validator.

Relay and agent are processes of their own, with the relay's defaults. Every kind of stranger comes
a thousand times, from everywhere, in waves in which the kinds are mixed at random; so whatever else
the machine does, it does to all kinds alike. Whoever was no good receives not a byte and is reset,
and the moments of two kinds of resets are one distribution, however late the agent found out.

A difference of 25 ms between two kinds is found nearly always, one of 15 ms sometimes.
"""

import itertools
import random
import secrets
import signal
import statistics
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from pam_agent.approval import MAX_RESUMES
from pam_agent.local_wire import Result
from protocol.frames import encode_frame, encode_preface
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH, MAC_LENGTH, MAX_REJECTS, TAG_LENGTH
from protocol.messages import Ping, encode
from protocol.signon import ValidatorSignOn
from relay.descriptors import provide
from relay.limits import Limits
from relay.outcomes import RequestOutcome, ValidatorOutcome
from tests.acceptance.kolmogorov import p_values
from tests.support.bare_validator import SHARD, opening
from tests.support.caller import calling
from tests.support.namespace import USER
from tests.support.patience import PATIENCE, until
from tests.support.phone import Phone
from tests.support.plain_host import Programs, programs
from tests.support.programs import Daemon
from validator.outcomes import Outcome

HOLD: Final = Limits().hold
JITTER: Final = Limits().hold_jitter

WAVES: Final = 10
IN_A_WAVE: Final = 100
"""Of each kind: all kinds of two waves are fewer than a relay holds."""
SAMPLES: Final = WAVES * IN_A_WAVE

ALPHA: Final = 0.01
"""Chance that a measurement finds a difference between any two kinds where there is none. By
Bonferroni each pair's share of it is ALPHA divided by the number of pairs."""

MEASUREMENTS: Final = 2
"""A pair that differs is measured once more, and only what differs again is a difference. So a
relay as it should be fails in fewer than one of 100,000 runs; another one fails all the same."""

EARLY: Final = 0.05
"""Seconds: the relay reads its clock once for all that it accepts at a time."""

LATE: Final = 0.25
"""Seconds that a busy machine may add to the resets of a kind."""

COMING: Final = 2.0
"""Seconds in which a wave comes. The agent's process stands still for as long, so that whatever it
rejects it rejects late."""

SETTLING: Final = 0.5
"""Seconds for an agent that stood still meanwhile to reject whom it has to."""

VALIDATION: Final = 10.0
"""Seconds that a passcode is valid, the least there may be: the test waits for some to expire."""
OVER: Final = 8
"""Passcodes of each kind that is over; the strangers take turns with them."""
OTHER: Final = "bob"
"""Every other wave's passcodes are a second account's: of one they were too many too soon."""
PASSCODES: Final = 30
"""That wait in one wave: those of two waves are fewer than one account may have."""
assert PASSCODES * MAX_REJECTS >= 2 * IN_A_WAVE, "a request is not offered more often"
assert PASSCODES * MAX_RESUMES >= IN_A_WAVE, "nor is it queued again more often"

FLOOD: Final = 256 * 1024
"""Bytes: more than a relay reads of a stranger, so that its reset finds unread input."""

Kind = Callable[[], bytes]
"""What a stranger of this kind sends, another one each time."""


@dataclass(frozen=True)
class Over:
    """Passcodes for `phone` whose sign-ons are over."""

    phone: Phone
    expired: list[str]
    withdrawn: list[str]


def unknown() -> bytes:
    return opening(secrets.token_bytes(TAG_LENGTH), secrets.token_bytes(H1_FRAME_LENGTH))


def of_another_version() -> bytes:
    return unknown().replace(b"BTZN\1", b"BTZN\2", 1)


def kinds(over: Over, phone: Phone, waiting: list[str], taken: str) -> dict[str, Kind]:
    """`waiting` are passcodes of sign-ons that wait, `taken` is that of one with its device: all
    for `phone`."""

    def tag_and_h1(whose: Phone, passcode: str) -> tuple[bytes, bytes]:
        machine = ValidatorSignOn(whose.record.device_keys, Mode.PASSCODE, passcode)
        return machine.tag, machine.h1()

    def true_ones(whose: Phone, choice: list[str]) -> Iterator[tuple[bytes, bytes]]:
        return map(partial(tag_and_h1, whose), itertools.cycle(choice))

    expired, withdrawn = (true_ones(over.phone, each) for each in (over.expired, over.withdrawn))
    good, forged, broken = (true_ones(phone, waiting) for _ in range(3))

    def of_a_bad_mac() -> bytes:
        tag, h1 = next(good)
        return opening(tag, h1[:-MAC_LENGTH] + secrets.token_bytes(MAC_LENGTH))

    return {
        "unknown": unknown,
        "expired": lambda: opening(*next(expired)),
        "withdrawn": lambda: opening(*next(withdrawn)),
        "taken": lambda: opening(*tag_and_h1(phone, taken)),
        "bad MAC": of_a_bad_mac,
        "no H1": lambda: opening(next(forged)[0], secrets.token_bytes(3)),
        "no frame": lambda: opening(next(broken)[0]) + b"\0\0",
        "malformed": lambda: encode_preface(SHARD) + encode_frame(secrets.token_bytes(18)),
        "other message": lambda: encode_preface(SHARD) + encode_frame(encode(Ping())),
        "empty frame": lambda: encode_preface(SHARD) + b"\0\0",
        "wrong version": of_another_version,
        "random bytes": lambda: random.randbytes(random.randint(6, 3000)),
        "flood": lambda: random.randbytes(FLOOD),
        "half a frame": lambda: opening(secrets.token_bytes(TAG_LENGTH))[:-4],
        "half a preface": lambda: b"BTZ",
        "silent": lambda: b"",
    }


NO_FRAME: Final = ("request ended", RequestOutcome.MALFORMED.value)
WORDS: Final = {
    ("validator ended", ValidatorOutcome.UNMATCHED.value): 4,
    ("validator ended", ValidatorOutcome.REJECTED.value): 2,
    ("validator ended", ValidatorOutcome.MALFORMED.value): 6,
    ("validator ended", ValidatorOutcome.SILENT.value): 3,
    NO_FRAME: 1,
}
"""By the relay's own words for them, how many kinds there are."""

MOST_OPEN: Final = 2 * IN_A_WAVE * sum(WORDS.values()) + 200
"""Descriptors of the test: two waves, and what else it has."""


@dataclass
class Seen:
    """What strangers of one kind have seen: each one's end, and after how many seconds."""

    ends: Counter[str] = field(default_factory=Counter)
    after: list[float] = field(default_factory=list)

    async def come(self, relay: tuple[str, int], data: bytes) -> None:
        with trio.socket.socket() as sock:
            await sock.bind((_anywhere(), 0))
            began = trio.current_time()
            await sock.connect(relay)
            if data:
                await sock.send(data)  # of a flood, as much as the kernel takes at once
            with trio.fail_after(PATIENCE):
                self.ends[await _end(sock)] += 1
            self.after.append(trio.current_time() - began)


Measured = dict[str, Seen]
"""By the kind's name."""
Pair = tuple[str, str]


def _anywhere() -> str:
    """A source that hardly another stranger has, nor its network."""
    return f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"


async def _end(sock: trio.socket.SocketType) -> str:
    try:
        data = await sock.recv(1)
    except ConnectionResetError:
        return "reset"
    return f"received {data!r}" if data else "closed"


async def test_all_that_are_no_good_look_the_same(tmp_path: Path) -> None:
    provide(MOST_OPEN)
    async with programs(tmp_path, validation=VALIDATION) as running:
        over = await _over(running)
        phones = {USER: running.phone, OTHER: await running.phone_of(OTHER)}
        seen: Measured = {}
        differing: dict[Pair, list[float]] = {}
        for measurement in range(MEASUREMENTS):
            known = len(running.parts.relay.log)
            seen = await _measured(running, phones, over)
            await _came_as_meant(running.parts.relay, known)
            _ended_alike(seen)
            differing = {
                pair: [*differing.get(pair, []), p]
                for pair, p in _differences(seen).items()
                if measurement == 0 or pair in differing
            }
            if not differing:
                break
        assert not differing, f"p-values of kinds that differ: {differing}\n{_table(seen)}"
        await _signs_on(running)


# ---- what is measured ----------------------------------------------------------------------------


async def _over(running: Programs) -> Over:
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(calling(running.parts.socket, USER))
            for _ in range(OVER)
        ]
        expired = [await each.passcode() for each in callers]
        for each in callers:
            assert await each.result() is Result.DENIED
    async with _waiting(running, USER, OVER) as withdrawn:
        pass
    return Over(running.phone, expired, withdrawn)


@asynccontextmanager
async def _waiting(running: Programs, user: str, count: int) -> AsyncIterator[list[str]]:
    """Passcodes of a user's sign-ons that wait for a device."""
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(calling(running.parts.socket, user))
            for _ in range(count)
        ]
        yield [await each.passcode() for each in callers]


async def _measured(running: Programs, phones: dict[str, Phone], over: Over) -> Measured:
    seen: Measured = defaultdict(Seen)
    two_at_a_time = trio.Semaphore(2)
    async with trio.open_nursery() as nursery:
        for user, _ in zip(itertools.cycle(phones), range(WAVES)):
            whose = (user, phones[user])
            await nursery.start(_wave, running, whose, over, seen, two_at_a_time)
    return seen


async def _wave(
    running: Programs,
    whose: tuple[str, Phone],
    over: Over,
    seen: Measured,
    two_at_a_time: trio.Semaphore,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    """The status is that all have come, and that the agent has seen who is to be seen."""
    user, phone = whose
    async with (
        two_at_a_time,
        _waiting(running, user, PASSCODES + 1) as (taken, *waiting),
        phone.attempt(taken) as its_device,
        trio.open_nursery() as strangers,
    ):
        await its_device.context()
        says = kinds(over, phone, waiting, taken)
        crowd = list(says) * IN_A_WAVE
        random.shuffle(crowd)
        async with _standing_still(running.parts.agent):
            began = trio.current_time()
            for number, name in enumerate(crowd):
                await trio.sleep_until(began + COMING * number / len(crowd))
                strangers.start_soon(seen[name].come, running.validators, says[name]())
        await trio.sleep(SETTLING)
        task_status.started()


@asynccontextmanager
async def _standing_still(daemon: Daemon) -> AsyncIterator[None]:
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


async def _signs_on(running: Programs) -> None:
    """Nothing of it has hurt the device."""
    async with calling(running.parts.socket, USER) as caller:
        ending = await running.phone.sign_on(await caller.passcode())
        assert ending.outcome is Outcome.SIGNED_ON
        assert await caller.result() is Result.APPROVED


# ---- what must hold ------------------------------------------------------------------------------


async def _came_as_meant(relay: Daemon, known: int) -> None:
    """Every stranger, by the relay's own word for it: most of them were counted, and it tells of
    these some seconds later."""

    def strangers() -> dict[tuple[str, str], int]:
        words: Counter[tuple[str, str]] = Counter()
        for each in relay.log[known:]:
            event = str(each.get("what", each["event"]))
            words[event, each.get("outcome", "")] += each.get("count", 1)
        return {
            key: n for key, n in words.items() if key[0] == "validator ended" or key == NO_FRAME
        }

    meant = {key: SAMPLES * count for key, count in WORDS.items()}
    with suppress(trio.TooSlowError):
        await until(lambda: sum(strangers().values()) >= sum(meant.values()))
    assert strangers() == meant


def _ended_alike(seen: Measured) -> None:
    assert {name: dict(each.ends) for name, each in seen.items()} == {
        name: {"reset": SAMPLES} for name in seen
    }
    assert min(min(each.after) for each in seen.values()) >= HOLD - EARLY
    assert max(statistics.median(each.after) for each in seen.values()) <= HOLD + JITTER + LATE


def _differences(seen: Measured) -> dict[Pair, float]:
    """The pairs of kinds that are not one distribution, with their p-values."""
    found = p_values({name: each.after for name, each in seen.items()})
    return {pair: p for pair, p in found.items() if p <= ALPHA / len(found)}


def _table(seen: Measured) -> str:
    """What somebody needs who is to find out why."""
    quartiles = [
        f"{name:15}" + "".join(f"{moment:9.4f}" for moment in statistics.quantiles(each.after))
        for name, each in seen.items()
    ]
    found = p_values({name: each.after for name, each in seen.items()})
    pairs = [f"{p:10.2e}  {a} / {b}" for (a, b), p in found.items()]
    bound = f"p-values of the last measurement; each is to be above {ALPHA / len(found):.2e}:"
    return "\n".join(["quartiles of the moments, in seconds:", *quartiles, bound, *pairs])
