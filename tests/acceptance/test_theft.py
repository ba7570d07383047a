"""Stolen stores: the agent's database lets nobody in, an old copy of a device is found out."""

import hashlib
import secrets
import shutil
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.local_wire import Result
from pam_agent.records import DisabledReason
from protocol.limits import CONTEXT_LENGTH, DECISION_LENGTH, RETIRED_GENERATIONS
from protocol.signon_messages import Context, Verdict
from tests.acceptance.thief import Guess, Thief, steal
from tests.support.together import QUICK_HOLD, Together, together
from validator.connection import EndedError, RelayConnection
from validator.keystore import KeyStore
from validator.outcomes import Outcome
from validator.record import Record, State

GUESSES: dict[str, Guess] = {
    "nothing": lambda _thief, _peer: bytes(32),
    "anything": lambda _thief, _peer: secrets.token_bytes(32),
    "the agent's key": lambda thief, peer: thief.agent.exchange(peer),
    "its own ephemeral key": lambda thief, peer: thief.ephemeral.exchange(peer),
    "both static keys": lambda thief, _peer: thief.agent.exchange(thief.device_public),
    "a key of its own": lambda _thief, peer: X25519PrivateKey.generate().exchange(peer),
}


async def opened(parts: Together, thief: Thief) -> tuple[RelayConnection, bytes]:
    """The thief's connection, with the CONTEXT that its H1 has brought."""
    connection = await RelayConnection.open(parts.phone.record.relays[0])
    await connection.begin(parts.phone.record.shard, thief.tag, thief.h1())
    context = await connection.receive()
    assert len(context) == 32 + CONTEXT_LENGTH + 16
    return connection, context


@pytest.mark.parametrize("name", GUESSES)
async def test_the_agents_database_without_a_device(tmp_path: Path, name: str) -> None:
    async with together(tmp_path) as parts:
        await signs_on(parts, 2)  # so that there are retired generations, too
        loot = await steal(parts.agent.config.state, tmp_path / "stolen", "alice")
        assert len(loot.device.ratchet.candidates()) == 3
        for base in loot.device.ratchet.candidates():
            async with parts.agent.call() as caller:
                thief = Thief(loot, await caller.passcode(), base, GUESSES[name])
                connection, context = await opened(parts, thief)
                async with connection:
                    assert thief.context(context) is None
                    guess = hashlib.sha256(context[32:-16]).digest()
                    await connection.send(thief.decision(secrets.token_bytes(8), guess))
                    with trio.fail_after(20), pytest.raises(EndedError):
                        await connection.receive()
            await parts.agent.idle()
            line = parts.log.named("sign-on ended")[-1]
            assert line["outcome"] == "cancelled"
            assert "opened" in line["steps"]
            assert "decided" not in line["steps"]
        after = await parts.agent.host.accounts.device(parts.phone.device_id)
        assert after == replace(loot.device, last_used=after.last_used)
        await signs_on(parts, 1)


async def test_it_is_the_devices_key_that_is_missing(tmp_path: Path) -> None:
    """The same thief with that one key gets in: the tests above fail for no other reason."""
    async with together(tmp_path) as parts:
        loot = await steal(parts.agent.config.state, tmp_path / "stolen", "alice")
        private = X25519PrivateKey.from_private_bytes(parts.phone.record.static)
        async with parts.agent.call() as caller:
            thief = Thief(
                loot,
                await caller.passcode(),
                loot.device.ratchet.current,
                lambda _thief, peer: private.exchange(peer),
            )
            connection, frame = await opened(parts, thief)
            async with connection:
                plaintext = thief.context(frame)
                assert plaintext is not None
                sign_on_id = Context.decode(plaintext).sign_on_id
                await connection.send(
                    thief.decision(sign_on_id, hashlib.sha256(plaintext).digest())
                )
                await connection.receive()
                assert await caller.result() is Result.APPROVED


async def test_the_agents_database_and_any_bytes_for_a_decision(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        loot = await steal(parts.agent.config.state, tmp_path / "stolen", "alice")
        base = loot.device.ratchet.current
        for number in range(5):
            async with parts.agent.call() as caller:
                thief = Thief(loot, await caller.passcode(), base, GUESSES["nothing"])
                connection, context = await opened(parts, thief)
                length = DECISION_LENGTH + 16
                sent = (
                    bytes(length),
                    secrets.token_bytes(length),
                    context[32 : 32 + length],
                    context,
                    thief.tag,
                )[number]
                async with connection:
                    await connection.send(sent)
                    with trio.fail_after(20), pytest.raises(EndedError):
                        await connection.receive()
        await parts.agent.idle()
        lines = parts.log.named("sign-on ended")
        assert [line["outcome"] for line in lines] == ["cancelled"] * 5


async def signs_on(parts: Together, sign_ons: int) -> None:
    """The owner signs on so often."""
    for _ in range(sign_ons):
        async with parts.agent.call() as caller:
            ending = await parts.phone.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.SIGNED_ON
            assert await caller.result() is Result.APPROVED
    await parts.agent.idle()


def stored(folder: Path, record: Record) -> None:
    """Puts a record into a device's real key store."""
    with KeyStore(folder) as store, store.locked(record.record_id, 0, lambda: None) as locked:
        locked.write(record)


def loaded(folder: Path) -> Record:
    with KeyStore(folder) as store:
        (record,) = store.listing().records
    return record


@pytest.mark.parametrize("sign_ons", [2, 8])
@pytest.mark.parametrize("verdict", Verdict)
async def test_an_old_copy_of_a_device_rings_the_alarm(
    tmp_path: Path, sign_ons: int, verdict: Verdict
) -> None:
    async with together(tmp_path) as parts:
        stored(tmp_path / "device", parts.phone.record)
        shutil.copytree(tmp_path / "device", tmp_path / "copy")
        await signs_on(parts, sign_ons)
        thief = copy(parts.phone)
        thief.record = loaded(tmp_path / "copy")
        async with parts.agent.call() as caller:
            ending = await thief.sign_on(await caller.passcode(), verdict)
            assert ending.outcome is Outcome.DISABLED
            assert await caller.result() is Result.DENIED
            assert "not approved" in caller.shown[-1][1]
        await parts.agent.idle()
        # The host's administrator is told, and the owner at the next sign-on.
        (alarm,) = parts.log.named("device disabled")
        assert (alarm["user"], alarm["reason"], alarm["level"]) == ("alice", "clone", "warning")
        device = await parts.agent.host.accounts.device(parts.phone.device_id)
        assert device.disabled is DisabledReason.CLONE
        async with parts.agent.call() as caller:
            ending = await parts.phone.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.DISABLED
            assert await caller.result() is Result.DENIED
        assert parts.phone.record.state is State.DISABLED
        assert thief.record.state is State.DISABLED


async def test_a_copy_that_is_older_than_the_agents_memory_is_a_wrong_key(tmp_path: Path) -> None:
    async with together(tmp_path, limits=QUICK_HOLD) as parts:
        thief = copy(parts.phone)
        await signs_on(parts, RETIRED_GENERATIONS + 1)
        async with parts.agent.call() as caller:
            ending = await thief.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
        await parts.agent.idle()
        device = await parts.agent.host.accounts.device(parts.phone.device_id)
        assert (device.failures, device.disabled) == (1, None)
        await signs_on(parts, 1)


async def test_the_owner_after_a_thief_with_a_fresh_copy_rings_it(tmp_path: Path) -> None:
    """A copy signs on at once, with its CONFIRM; the next sign-on of the device itself tells."""
    async with together(tmp_path) as parts:
        thief = copy(parts.phone)
        async with parts.agent.call() as caller:
            ending = await thief.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.SIGNED_ON  # it is the device, as far as keys can tell
            await caller.result()
        await parts.agent.idle()
        async with parts.agent.call() as caller:
            ending = await parts.phone.sign_on(await caller.passcode())
            assert ending.outcome is Outcome.DISABLED
            assert await caller.result() is Result.DENIED
        assert len(parts.log.named("device disabled")) == 1
