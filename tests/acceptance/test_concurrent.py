"""Fifty sign-ons at once for one account of one host: each ends with its own validator's word.

Real PAM stacks with the real module ask, each in a process of its own. The user's four devices
answer, with the program's own key stores, locks and client.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from pam_agent.enrolments import Enrolments
from protocol import sign_on_id
from protocol.keys import Mode
from protocol.passcode import parse
from protocol.signon_messages import Context, Verdict
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from tests.support.pam import (
    Message,
    PamCode,
    Reply,
    Service,
    build_driver,
    build_module,
    pam_session,
    press_enter,
    service_folder,
)
from tests.support.phone import enrolled
from tests.support.together import Together, ends, relay_idle, timers, together
from validator.attempt import TimelineLog, attempt
from validator.choice import Choice
from validator.keystore import KeyStore
from validator.limits import LOCK_SECONDS
from validator.outcomes import Outcome
from validator.record import Record, State

SIGN_ONS: Final = 50
DEVICES: Final = 4
SERVICES: Final = ("sshd", "sudo")
"""One is shown a prompt, the other a text."""
SHUFFLE: Final = 4816
"""Seed of the two orders: in which PAM asks, and in which the devices are picked up."""

ENDS: Final = {
    Verdict.APPROVE: (Outcome.SIGNED_ON, PamCode.SUCCESS, "approved"),
    Verdict.DENY: (Outcome.DENIED, PamCode.AUTH_ERR, "denied"),
    Verdict.REPORT: (Outcome.REPORTED, PamCode.AUTH_ERR, "reported"),
}
"""What the device, PAM and the agent's log say in the end."""

_SHOWN: Final = re.compile(r"sign-on (\S+) at .*passcode (\d{4} \d{4})", re.DOTALL)


@dataclass
class SignOn:
    """One user at one terminal, who makes up their own mind."""

    number: int
    verdict: Verdict
    id: str = ""
    passcode: str = ""
    shown: trio.Event = field(default_factory=trio.Event)
    contexts: list[Context] = field(default_factory=list)
    outcome: Outcome | None = None
    code: PamCode | None = None

    @property
    def service(self) -> str:
        return SERVICES[self.number % len(SERVICES)]

    @property
    def tty(self) -> str:
        return f"pts/{self.number}"

    @property
    def rhost(self) -> str:
        return f"192.0.2.{self.number}"

    async def ask(self, folder: Path) -> None:
        """PAM's call, from the application's side."""

        async def read(message: Message) -> Reply:
            if (found := _SHOWN.search(message.text)) is not None:
                self.id, self.passcode = found[1], parse(found[2])
                self.shown.set()
            return await press_enter(message)

        async with pam_session(Service(folder, self.service), "alice", patience=120) as pam:
            await pam.set_item("tty", self.tty)
            await pam.set_item("rhost", self.rhost)
            self.code = (await pam.authenticate(read)).code
            assert self.shown.is_set(), f"PAM said {self.code.name} and showed nothing"

    def answer(self, device: Path) -> None:
        """As `bartizan sign-on` does it, in a thread of its own."""

        async def decide(context: Context) -> Choice | None:
            self.contexts.append(context)
            return Choice(self.verdict)

        with KeyStore(device) as store:
            (record,) = store.listing().records
            with store.locked(record.record_id, LOCK_SECONDS, lambda: None) as locked:
                record, log = locked.read(), TimelineLog(None)
                ending = attempt(locked.write, record, Mode.PASSCODE, self.passcode, decide, log)
                self.outcome = ending.outcome


def sign_ons() -> list[SignOn]:
    """Every third is denied, and every other one of those reported."""
    denials = (Verdict.DENY, Verdict.REPORT)
    return [
        SignOn(number, denials[number % 2] if number % 3 == 0 else Verdict.APPROVE)
        for number in range(1, SIGN_ONS + 1)
    ]


async def test_fifty_at_once_end_with_the_right_validator_each(tmp_path: Path) -> None:
    build_driver()
    pam_d = tmp_path / "pam.d"
    patient = timers(validation=90.0, acknowledgement=45.0, sign_on=200.0)
    async with together(tmp_path, timers=patient) as parts:
        for service in SERVICES:
            line = f"auth required {build_module()} socket={parts.agent.config.socket}\n"
            service_folder(pam_d, service, line)
        devices = await _devices(parts, tmp_path)
        everyone = sign_ons()
        order = random.Random(SHUFFLE)
        async with trio.open_nursery() as nursery:
            for each in order.sample(everyone, SIGN_ONS):
                nursery.start_soon(each.ask, pam_d)
            for each in everyone:
                await each.shown.wait()
            # All of them wait now, and no two can be mistaken for each other.
            assert len(parts.agent.host.waiting) == SIGN_ONS
            assert len(parts.relay.relay.broker.requests) == SIGN_ONS
            assert len({each.passcode for each in everyone}) == SIGN_ONS
            await _pick_up(order.sample(everyone, SIGN_ONS), devices)

        for each in everyone:
            (context,) = each.contexts
            seen = (sign_on_id.display(context.sign_on_id), context.user, context.service)
            assert seen == (each.id, "alice", each.service)
            assert (context.tty, context.remote_address) == (each.tty, each.rhost)
            assert (each.outcome, each.code) == ENDS[each.verdict][:2], each
        await _nothing_is_left(parts)
        logged = {line["sign_on_id"]: line["outcome"] for line in parts.log.named("sign-on ended")}
        assert logged == {each.id: ENDS[each.verdict][2] for each in everyone}
        await _devices_are_well(parts, devices)


async def _devices(parts: Together, folder: Path) -> list[Path]:
    """Key stores of the account's devices, one each."""
    phones = [parts.phone]
    for number in range(1, DEVICES):
        phones.append(await enrolled(parts.agent.host, name=f"phone {number}"))
    paths = [folder / f"device{number}" for number in range(DEVICES)]
    for phone, path in zip(phones, paths, strict=True):
        made = phone.record
        with KeyStore(path) as store, store.locked(made.record_id, 0.0, lambda: None) as locked:
            locked.write(made)
    return paths


async def _pick_up(shuffled: Sequence[SignOn], devices: Sequence[Path]) -> None:
    """All at once; those on the same device wait for its lock, as programs do."""
    threads = trio.CapacityLimiter(len(shuffled))
    async with trio.open_nursery() as nursery:
        for turn, each in enumerate(shuffled):
            answer = partial(each.answer, devices[turn % len(devices)])
            nursery.start_soon(partial(trio.to_thread.run_sync, answer, limiter=threads))


async def _nothing_is_left(parts: Together) -> None:
    await parts.agent.idle()
    await relay_idle(parts.relay)
    door = parts.relay.relay.broker.door
    assert door.incomplete == door.held == 0
    # A device hangs up behind its CONFIRM: the relay hears of that first, or of the agent's Close.
    assert len(ends(parts.relay)) == SIGN_ONS
    assert set(ends(parts.relay)) <= {RequestOutcome.DONE, RequestOutcome.VALIDATOR_GONE}
    ended = [each for each in parts.relay.records if isinstance(each, RequestEnded)]
    assert [each.rejects for each in ended] == [0] * SIGN_ONS


async def _devices_are_well(parts: Together, paths: Sequence[Path]) -> None:
    """Not disabled, no failure counted; each decision moved one ratchet once, on both sides."""
    own: list[Record] = []
    for path in paths:
        with KeyStore(path) as store:
            own += store.listing().records
    known = await Enrolments(parts.agent.host.accounts.store).list_devices()
    assert [(each.disabled, each.failures, each.backoff_until) for each in known] == [
        (None, 0, 0.0)
    ] * DEVICES
    assert {record.state for record in own} == {State.ACTIVE}
    assert sum(record.generation.number for record in own) == SIGN_ONS
    at_the_host = {each.name: each.ratchet.current for each in known}
    assert {record.device: record.generation for record in own} == at_the_host
