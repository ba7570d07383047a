"""A user's device with the validator's real client; its key store is the test's."""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.enrolments import Enrolments
from pam_agent.host import Host
from protocol.keys import Mode
from protocol.limits import KEY_LENGTH
from protocol.ratchet import Generation
from protocol.signon import ValidatorSignOn
from protocol.signon_messages import Context, Receipt, SignOnOutcome, Verdict
from tests.support.patience import PATIENCE
from validator import client
from validator.choice import Choice
from validator.connection import EndedError, RelayConnection
from validator.endings import Ending
from validator.record import Record, State
from validator.timeline import Timeline

Decide = Callable[[Context], Awaitable[Choice | None]]


@dataclass(eq=False)
class Phone:
    """One device. Its sign-ons are serial, as those of the program are by its lock."""

    record: Record
    device_id: int
    contexts: list[Context] = field(default_factory=list)
    """Whatever its user was shown."""
    lock: trio.Lock = field(default_factory=trio.Lock)

    async def sign_on(
        self, passcode: str, verdict: Verdict = Verdict.APPROVE, *, decide: Decide | None = None
    ) -> Ending:
        """As `bartizan sign-on` does it, from the lock to the end."""

        async def at_once(_context: Context) -> Choice | None:
            return Choice(verdict)

        async def show(context: Context) -> Choice | None:
            self.contexts.append(context)
            return await (decide or at_once)(context)

        def store(record: Record) -> None:
            self.record = record

        device = client.Device(show, store, time.time)
        async with self.lock:
            return await client.sign_on(self.record, Mode.PASSCODE, passcode, device, Timeline())

    @asynccontextmanager
    async def attempt(
        self, passcode: str, relay: str | None = None, mode: Mode = Mode.PASSCODE
    ) -> AsyncIterator["Attempt"]:
        """A sign-on step by step, H1 sent, at the first relay or at `relay` (host:port)."""
        machine = ValidatorSignOn(self.record.device_keys, mode, passcode)
        async with await RelayConnection.open(relay or self.record.relays[0]) as connection:
            await connection.begin(self.record.shard, machine.tag, machine.h1())
            yield Attempt(self, machine, connection)


@dataclass(eq=False)
class Attempt:
    """One sign-on of a phone, at the test's own pace. Nothing is stored but by `confirm`."""

    phone: Phone
    machine: ValidatorSignOn
    connection: RelayConnection

    async def context(self) -> Context:
        with trio.fail_after(PATIENCE):
            return self.machine.receive_context(await self.connection.receive())

    async def decide(self, verdict: Verdict = Verdict.APPROVE) -> None:
        await self.connection.send(self.machine.decision(verdict))

    async def receipt(self) -> Receipt:
        with trio.fail_after(PATIENCE):
            return self.machine.receive_receipt(await self.connection.receive())

    async def outcome(self, verdict: Verdict = Verdict.APPROVE) -> SignOnOutcome:
        """Decide, and what RECEIPT says."""
        await self.decide(verdict)
        return (await self.receipt()).outcome

    async def confirm(self) -> None:
        self.phone.record = self.phone.record.advanced(self.machine.next_generation(), None)
        await self.connection.send(self.machine.confirm())

    async def gone(self) -> None:
        """The connection ends without another frame."""
        with trio.fail_after(PATIENCE), pytest.raises(EndedError):
            await self.connection.receive()


async def enrolled(host: Host, account: str = "alice", name: str = "phone") -> Phone:
    """A device whose enrolment is in both stores, without the way through a relay."""
    static = X25519PrivateKey.generate()
    rendezvous_root, ratchet_root = (secrets.token_bytes(KEY_LENGTH) for _ in range(2))
    public = static.public_key().public_bytes_raw()
    now = time.time()
    accounts = host.accounts
    device_id = await Enrolments(accounts.store).add_device(
        account, name, public, rendezvous_root, ratchet_root, now
    )
    await Enrolments(accounts.store).prove(device_id, now)
    record = Record(
        host=host.label,
        user=account,
        device=name,
        agent_public=host.identity.static.public_key().public_bytes_raw(),
        static=static.private_bytes_raw(),
        rendezvous_root=rendezvous_root,
        generation=Generation(0, ratchet_root),
        shard=host.identity.shard,
        relays=host.validators,
        enrolled_at=int(now),
        state=State.ACTIVE,
    )
    return Phone(record, device_id)
