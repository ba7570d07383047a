"""A thief of a device's store, before a PIN: ten guesses at the host, and none anywhere else."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from trio.testing import wait_all_tasks_blocked

from pam_agent.code_store import Codes, Judged
from pam_agent.codes import CodeVerdict
from pam_agent.local_wire import Result
from pam_agent.policy import DISABLING_FAILURE, FIRST_BACKOFF_FAILURE
from pam_agent.records import Device, DisabledReason
from protocol import keys, offline, ticket
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.limits import MAC_LENGTH, RETIRED_GENERATIONS
from protocol.noise import KKPSK0, Handshake, HandshakeKeys
from protocol.signon import ValidatorSignOn
from tests.support.patience import until
from tests.support.phone import Phone, enrolled
from tests.support.together import QUICK_HOLD, Together, together
from validator.limits import FIRST_PAUSE_PIN, PIN_TRIES
from validator.outcomes import Outcome
from validator.pin import Pad, Pin
from validator.record import Record

pad_of = cache(Pad.of)
"""The same few PINs again and again: Argon2id is slow on purpose."""

SALT = bytes(16)
RIGHT = Pin("271828")
WRONG = [Pin(f"31415{digit}") for digit in range(10)]


def put_under_pin(phone: Phone) -> bytes:
    """What is in the device's file from now on, which is all that the thief of it has."""
    pad = pad_of(RIGHT, SALT)
    phone.record = replace(phone.record, pin_salt=pad.salt, pad=pad)
    return phone.record.encode()


def guess(parts: Together, loot: bytes, pin: Pin) -> Phone:
    """The device, as it would be if `pin` were right."""
    record = Record.decode(loot)
    return Phone(record.unlocked(pad_of(pin, record.pin_salt)), parts.phone.device_id)


async def device(parts: Together) -> Device:
    return await parts.agent.host.accounts.device(parts.phone.device_id)


def after_the_pause(parts: Together) -> None:
    """A thief has time."""
    parts.agent.host.accounts.store.db.execute("UPDATE device SET backoff_until = 0")


async def guessed(parts: Together, loot: bytes, pin: Pin) -> Outcome:
    """One guess, in a sign-on of its own whose passcode the thief has seen."""
    async with parts.agent.call() as caller:
        ending = await guess(parts, loot, pin).sign_on(await caller.passcode())
    await parts.agent.idle()
    return ending.outcome


def test_what_the_device_tells_of_the_hosts_count_is_so() -> None:
    assert PIN_TRIES == DISABLING_FAILURE
    assert FIRST_PAUSE_PIN == FIRST_BACKOFF_FAILURE


async def test_ten_wrong_pins_disable_the_device(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        loot = put_under_pin(parts.phone)
        for number, pin in enumerate(WRONG, start=1):
            assert (await device(parts)).disabled is None
            assert await guessed(parts, loot, pin) is Outcome.NO_SUCH_SIGN_ON
            assert (await device(parts)).failures == number
            after_the_pause(parts)
        assert (await device(parts)).disabled is DisabledReason.FAILURES
        (told,) = parts.log.named("device disabled")
        assert told["reason"] == "failures"
        # The eleventh guess is the right one, and looks like the ten before it.
        assert await guessed(parts, loot, RIGHT) is Outcome.NO_SUCH_SIGN_ON
        assert (await device(parts)).failures == DISABLING_FAILURE


def ticket_of(phone: Phone, counter: int) -> str:
    record = phone.record
    number, key = record.generation.number, offline.offline_key(record.ratchet_root)
    locator = ticket.locator(record.rendezvous_root, number, counter, "postgresql")
    return locator + ticket.proof(key, number, counter, "postgresql")


async def judge(codes: Codes, typed: str, counter: int) -> Judged:
    """An hour after the one before, so that nothing is too often."""
    moment = counter * 3600.0
    return await codes.judge_ticket("alice", "postgresql", "192.0.2.1", typed, moment, time.time())


async def test_guesses_by_ticket_are_the_same_ten_and_another_device_goes_on(
    tmp_path: Path,
) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        loot = put_under_pin(parts.phone)
        tablet = await enrolled(parts.agent.host, name="tablet")
        codes = Codes(parts.agent.host.accounts)
        for pin in WRONG[:5]:
            await guessed(parts, loot, pin)
            after_the_pause(parts)
        for counter, pin in enumerate(WRONG[5:]):
            typed = ticket_of(guess(parts, loot, pin), counter)
            judged = await judge(codes, typed, counter)
            assert judged.verdict is CodeVerdict.WRONG
            after_the_pause(parts)
        assert (await device(parts)).disabled is DisabledReason.FAILURES
        right = ticket_of(guess(parts, loot, RIGHT), 9)
        judged = await judge(codes, right, 9)
        assert judged.verdict is CodeVerdict.WRONG
        assert await guessed(parts, loot, RIGHT) is Outcome.NO_SUCH_SIGN_ON
        async with parts.agent.call() as caller:
            ending = await tablet.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.SIGNED_ON
            assert await caller.result() is Result.APPROVED


async def test_in_a_pause_a_guess_is_not_looked_at(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        loot = put_under_pin(parts.phone)
        for pin in WRONG[:FIRST_PAUSE_PIN]:
            await guessed(parts, loot, pin)
        for pin in (WRONG[-1], RIGHT):
            assert await guessed(parts, loot, pin) is Outcome.NO_SUCH_SIGN_ON
            assert (await device(parts)).failures == FIRST_PAUSE_PIN


async def test_the_owner_in_between_sets_the_count_back_and_the_store_is_void(
    tmp_path: Path,
) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        loot = put_under_pin(parts.phone)
        for pin in WRONG[:4]:
            await guessed(parts, loot, pin)
        async with parts.agent.call() as caller:
            ending = await parts.phone.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.SIGNED_ON
            assert await caller.result() is Result.APPROVED
        await parts.agent.idle()
        assert (await device(parts)).failures == 0
        # The owner was shown what had gone on, and the pad has moved on with the root.
        assert parts.phone.contexts[-1].failures == 4
        stored = Record.decode(parts.phone.record.encode())
        assert stored.pin_salt == Record.decode(loot).pin_salt
        assert stored.unlocked(pad_of(RIGHT, stored.pin_salt)) == parts.phone.record
        # Even with the right PIN the old store lets nobody in; it rings the alarm.
        assert await guessed(parts, loot, RIGHT) is Outcome.DISABLED
        assert (await device(parts)).disabled is DisabledReason.CLONE


async def test_an_old_copy_tells_right_from_wrong_for_eight_sign_ons_and_no_longer(
    tmp_path: Path,
) -> None:
    """As long as the host remembers its generation. It takes no DECISION to learn that."""
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        loot = put_under_pin(parts.phone)
        for owners in range(1, RETIRED_GENERATIONS + 2):
            async with parts.agent.call() as caller:
                await parts.phone.sign_on(await caller.passcode())
                assert await caller.result() is Result.APPROVED
            await parts.agent.idle()
            if owners < RETIRED_GENERATIONS:
                continue
            async with parts.agent.call() as caller:
                code = await caller.passcode()
                async with guess(parts, loot, RIGHT).attempt(code) as attempt:
                    if owners == RETIRED_GENERATIONS:
                        await attempt.context()
                    else:
                        await attempt.gone()


async def test_after_the_clone_alarm_guesses_end_too(tmp_path: Path) -> None:
    """The host still tells the owner that the device is disabled: not to a thief for ever."""
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        loot = put_under_pin(parts.phone)
        db = parts.agent.host.accounts.store.db
        db.execute("UPDATE device SET disabled = ?", (DisabledReason.CLONE.value,))
        assert await guessed(parts, loot, RIGHT) is Outcome.DISABLED
        db.execute("UPDATE device SET failures = ?", (DISABLING_FAILURE - 1,))
        assert await guessed(parts, loot, WRONG[0]) is Outcome.NO_SUCH_SIGN_ON
        after_the_pause(parts)
        assert await guessed(parts, loot, RIGHT) is Outcome.NO_SUCH_SIGN_ON


@contextmanager
def store_that_stands_still(parts: Together) -> Iterator[threading.Event]:
    """From its next COMMIT, which sets the event, to the end of the block."""
    begun, go_on = threading.Event(), threading.Event()

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            begun.set()
            go_on.wait()

    parts.agent.host.accounts.store.db.set_trace_callback(trace)
    try:
        yield begun
    finally:
        go_on.set()


async def test_guesses_side_by_side_are_not_more_of_them(tmp_path: Path) -> None:
    """The fourth wrong guess is being stored. Twelve more come meanwhile, all at a time when no
    pause and no end is known of; the last of them is right, and yet comes after the others."""
    async with together(tmp_path, limits=QUICK_HOLD) as parts, AsyncExitStack() as stack:
        loot = put_under_pin(parts.phone)
        db = parts.agent.host.accounts.store.db
        db.execute("UPDATE device SET failures = ?", (FIRST_PAUSE_PIN - 2,))
        wrong, right = guess(parts, loot, WRONG[0]), guess(parts, loot, RIGHT)
        passcodes = []
        for _ in range(13):
            caller = await stack.enter_async_context(parts.agent.call())
            passcodes.append(await caller.passcode())
        attempts = []
        with store_that_stands_still(parts) as begun:
            for number, code in enumerate(passcodes):
                phone = right if number == 12 else wrong
                attempts.append(await stack.enter_async_context(phone.attempt(code)))
                if number == 0:
                    await trio.to_thread.run_sync(begun.wait)
            await until(lambda: len(parts.relay.relay.broker.transactions) == len(attempts))
            await wait_all_tasks_blocked(0.05)
        for attempt in attempts:
            await attempt.gone()
        assert (await device(parts)).failures == DISABLING_FAILURE


async def test_a_code_that_was_seen_lets_guesses_be_checked_until_the_next_sign_on(
    tmp_path: Path,
) -> None:
    """What THREAT-MODEL.md says of codes, and why it says no more."""
    async with together(tmp_path) as parts:
        loot = put_under_pin(parts.phone)
        passcode = "49217734"
        seen = offline.response(offline.offline_key(parts.phone.record.ratchet_root), passcode)

        def fits(stored: bytes, pin: Pin) -> bool:
            root = guess(parts, stored, pin).record.ratchet_root
            return offline.response(offline.offline_key(root), passcode) == seen

        assert [fits(loot, pin) for pin in (*WRONG[:3], RIGHT)] == [False, False, False, True]
        async with parts.agent.call() as caller:
            await parts.phone.sign_on(await caller.passcode())
            await caller.result()
        later = parts.phone.record.encode()
        assert not any(fits(later, pin) for pin in (*WRONG[:3], RIGHT))


class StandIn:
    """What a thief of the store can put in the place of the agent's private key."""

    def __init__(self, record: Record, for_es: Callable[[X25519PublicKey], bytes]) -> None:
        self._device = X25519PrivateKey.from_private_bytes(record.static)
        self._agent_public = X25519PublicKey.from_public_bytes(record.agent_public)
        self._for_es = for_es

    def public_key(self) -> X25519PublicKey:
        return self._agent_public

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """`ss` the device's half gives; for `es` it takes the agent's key, or the ephemeral one."""
        if peer.public_bytes_raw() == self._device.public_key().public_bytes_raw():
            return self._device.exchange(self._agent_public)
        return self._for_es(peer)


async def test_a_recording_of_the_network_is_nothing_to_check_against(tmp_path: Path) -> None:
    """A recorded H1 opens under the right PIN no more than under a wrong one."""
    async with together(tmp_path) as parts:
        loot = put_under_pin(parts.phone)
        machine = ValidatorSignOn(parts.phone.record.device_keys, Mode.PASSCODE, "49217734")
        h1 = machine.h1()[:-MAC_LENGTH]
        agent = parts.agent.host.identity.static
        device = X25519PrivateKey.from_private_bytes(parts.phone.record.static)

        def opens(pin: Pin, for_es: Callable[[X25519PublicKey], bytes]) -> bool:
            record = guess(parts, loot, pin).record
            handshake = Handshake(
                KKPSK0,
                False,
                keys.prologue(Mode.PASSCODE, machine.tag),
                HandshakeKeys(
                    StandIn(record, for_es),  # type: ignore[arg-type]
                    device.public_key().public_bytes_raw(),
                    keys.psk(record.ratchet_root, keys.passcode_input(Mode.PASSCODE, "49217734")),
                    X25519PrivateKey.generate(),
                ),
            )
            try:
                handshake.read(h1)
            except ProtocolError:
                return False
            return True

        his: dict[str, Callable[[X25519PublicKey], bytes]] = {
            "nothing": lambda _: bytes(32),
            "the device's key": device.exchange,
            "both static keys": lambda _: device.exchange(agent.public_key()),
        }
        for pin in (RIGHT, WRONG[0]):
            assert [name for name, for_es in his.items() if opens(pin, for_es)] == []
        # It is the agent's private key that is missing, and with it a guess could be checked.
        assert [opens(pin, agent.exchange) for pin in (RIGHT, WRONG[0])] == [True, False]
