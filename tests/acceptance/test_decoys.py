"""Decoys: neither at the terminal nor at the relay can anybody tell who has a device, or exists.

A known user whom nobody answers is the measure. Everybody asks many times, all at once; a tap on
the agent's link sees what a relay, or who reads along before it, can see.
"""

import random
import re
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.enrolments import Enrolments
from pam_agent.local_wire import RecordType, Result
from pam_agent.policy import DISABLING_FAILURE, Timers
from pam_agent.settings import Relay
from protocol import sign_on_id
from protocol.address import UnixAddress
from protocol.agent_auth import public_bytes
from protocol.limits import KEY_LENGTH
from protocol.messages import AuthRequest, Close, Message
from protocol.passcode import parse
from relay.outcomes import RequestOutcome
from relay.records import RequestEnded
from tests.support.agent import RunningAgent, linked, start_agent
from tests.support.caller import Caller
from tests.support.phone import enrolled
from tests.support.relay import RunningRelay, start_relay
from tests.support.tapped_link import Passed, tapped_link
from tests.support.together import relay_idle

SAMPLES: Final = 8
"""Sign-ons of each user."""
SERVICES: Final = ("sshd", "sudo")
"""One is shown a prompt, the other a text."""

VALIDATION: Final = 10.0
"""Seconds, the least there may be: all of this test is waiting for its end."""
LATE: Final = 5.0
"""Seconds that a busy machine may add to it."""
APART: Final = 0.1
"""Seconds between the medians of two users, besides what the known user's own sign-ons are apart,
which a busy machine adds. Whoever did not wait, or not for a relay, would be seconds away."""

_SHOWN: Final = re.compile(r"sign-on (\S+) at .*passcode (\d{4} \d{4})", re.DOTALL)


Screen = tuple[str, tuple[tuple[RecordType, str], ...], Result]
"""Service, texts and result of a sign-on, its id and its passcode made the same."""

Shape = tuple[tuple[object, ...], ...]
"""Messages about a sign-on, in order, without what is drawn at random."""


@dataclass
class Seen:
    """What there was to see of one user's sign-ons. Times in seconds since the start record."""

    ids: list[str] = field(default_factory=list)
    passcodes: list[str] = field(default_factory=list)
    screens: Counter[Screen] = field(default_factory=Counter)
    shown: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    async def sign_on(self, agent: RunningAgent, user: str, service: str) -> None:
        async with agent.call(user, service=service) as caller:
            began = trio.current_time()
            await caller.passcode()
            self.shown.append(trio.current_time() - began)
            result = await caller.result()
            self.ended.append(trio.current_time() - began)
        self._look(caller, service, result)

    def _look(self, caller: Caller, service: str, result: Result) -> None:
        found = _SHOWN.search(caller.shown[0][1])
        assert found is not None
        self.ids.append(found[1])
        self.passcodes.append(parse(found[2]))
        texts = [(kind, text.replace(found[1], "ID")) for kind, text in caller.shown]
        same = tuple((kind, text.replace(found[2], "PASSCODE")) for kind, text in texts)
        self.screens[service, same, result] += 1


async def test_who_has_no_device_is_treated_like_any_other(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await start_relay(nursery, tmp_path)
    async with tapped_link(tmp_path / "tap.sock", relay.unix) as passed:
        agent = await _agent(nursery, tmp_path, relay)
        users = {user: Seen() for user in await _users(agent)}
        known = users["known"]
        async with trio.open_nursery() as calls:
            for number in range(SAMPLES):
                for user in random.sample(sorted(users), len(users)):
                    service = SERVICES[number % len(SERVICES)]
                    calls.start_soon(users[user].sign_on, agent, user, service)
        await agent.idle()
        await relay_idle(relay)

        # At the terminal.
        for user, seen in users.items():
            assert seen.screens == known.screens, user
            assert len(set(seen.passcodes)) == SAMPLES
        assert {result for _, _, result in known.screens} == {Result.DENIED}
        assert len(known.screens) == len(SERVICES)
        _at_the_same_time({user: seen.shown for user, seen in users.items()})
        _at_the_same_time({user: seen.ended for user, seen in users.items()})
        waits = [after for seen in users.values() for after in seen.ended]
        assert min(waits) >= VALIDATION
        assert max(waits) <= VALIDATION + LATE

        # On the agent's link.
        wires = {user: [_on_the_wire(passed, each) for each in users[user].ids] for user in users}
        (shape,) = {shape for shape, _ in wires["known"]}
        assert [each[0] for each in shape] == ["AuthRequest", "Queued", "Close"]
        for user, each in wires.items():
            assert {shape for shape, _ in each} == {shape}, user
        _at_the_same_time({user: [lasted for _, lasted in wires[user]] for user in users})
        requests = [each.message for each in passed if isinstance(each.message, AuthRequest)]
        tags = [tag for each in requests for tag in each.tags]
        assert len(set(tags)) == len(tags) == SAMPLES * len(users)

        # In the relay's records.
        ended = [each for each in relay.records if isinstance(each, RequestEnded)]
        assert len(ended) == SAMPLES * len(users)
        assert {(each.outcome, each.agent, each.source, each.rejects) for each in ended} == {
            (RequestOutcome.WITHDRAWN, ended[0].agent, "", 0)
        }
        nursery.cancel_scope.cancel()


async def _agent(nursery: trio.Nursery, folder: Path, relay: RunningRelay) -> RunningAgent:
    """Its link goes through the tap."""
    known = Relay(UnixAddress(str(folder / "tap.sock")), None, (relay.validators,))
    agent = await start_agent(nursery, folder, [known], timers=Timers(validation=VALIDATION))
    await linked(agent)
    return agent


async def _users(agent: RunningAgent) -> list[str]:
    """`known` has a device that could sign on; the others have none, each in a way of its own."""
    accounts = agent.host.accounts
    await enrolled(agent.host, "known")
    await enrolled(agent.host, "revoked")
    assert await Enrolments(accounts.store).revoke("revoked", None, time.time())
    disabled = await enrolled(agent.host, "disabled")
    for _ in range(DISABLING_FAILURE):
        await accounts.count_failure(disabled.device_id, time.time())
    await Enrolments(accounts.store).add_device("unproved", "phone", *_keys(), time.time())
    return ["known", "unknown", "revoked", "disabled", "unproved"]


def _keys() -> tuple[bytes, bytes, bytes]:
    """A device's public key and its two roots."""
    static = X25519PrivateKey.generate()
    return public_bytes(static), secrets.token_bytes(KEY_LENGTH), secrets.token_bytes(KEY_LENGTH)


def _on_the_wire(passed: Sequence[Passed], shown_id: str) -> tuple[Shape, float]:
    """The shape of all messages about one sign-on, and the seconds from the first to the last."""
    requests = [each.message for each in passed if isinstance(each.message, AuthRequest)]
    (number,) = [x.request for x in requests if sign_on_id.display(x.sign_on_id) == shown_id]
    about = [each for each in passed if getattr(each.message, "request", None) == number]
    shape = tuple(_shape(each.message, each.length) for each in about)
    return shape, about[-1].at - about[0].at


def _shape(message: Message, length: int) -> tuple[object, ...]:
    """What of it is not drawn at random."""
    match message:
        case AuthRequest(ttl=ttl, tags=tags):
            return "AuthRequest", length, ttl, len(tags)
        case Close(reason=reason):
            return "Close", length, reason
        case _:
            return type(message).__name__, length


def _at_the_same_time(moments: Mapping[str, list[float]]) -> None:
    medians = {user: statistics.median(each) for user, each in moments.items()}
    of_itself = max(moments["known"]) - min(moments["known"])
    assert max(medians.values()) - min(medians.values()) < APART + of_itself, medians
