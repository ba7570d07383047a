"""Every end of a sign-on, reached with real parts: PAM's result, the texts, the device, the log.

The table of scenarios is held against the words: a new word without one fails here.
"""

import json
import os
import stat
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from pam_agent import conversation
from pam_agent.admin_client import ask
from pam_agent.admin_wire import Revoke, Why
from pam_agent.administration import Administration
from pam_agent.code_throttle import ACCOUNT_BURST
from pam_agent.explanations import SIGN_ONS
from pam_agent.local_wire import RecordType, Result
from pam_agent.methods import Method
from pam_agent.outcomes import SignOnEnd, result_of
from pam_agent.policy import MAX_SIGN_ONS_PER_ACCOUNT, Timers
from pam_agent.records import DisabledReason
from pam_agent.sign_ons import Kind, Story
from protocol import keys
from protocol.keys import Mode
from protocol.signon_messages import SignOnOutcome, Verdict
from relay.explanations import REQUESTS
from relay.limits import Limits
from relay.records import RequestEnded
from tests.support.caller import Caller, calling
from tests.support.services import service, with_codes
from tests.support.together import Together, signs_on, timers, together
from tests.support.typed_codes import give_totp, response, ticket_of, totp
from validator.outcomes import Outcome

NOBODY = 65534


@dataclass
class Scene:
    """The parts, the one sign-on whose end is looked at, and every passcode that was shown."""

    parts: Together
    caller: Caller
    passcodes: list[str] = field(default_factory=list)

    async def passcode(self) -> str:
        self.passcodes.append(await self.caller.passcode())
        return self.passcodes[-1]


Scenario = Callable[[Scene], Awaitable[None]]


async def decided(verdict: Verdict, outcome: Outcome, scene: Scene) -> None:
    ending = await scene.parts.phone.sign_on(await scene.passcode(), verdict)
    assert ending.outcome is outcome


async def nobody_comes(scene: Scene) -> None:
    await scene.passcode()


async def undecided(scene: Scene) -> None:
    async with scene.parts.phone.attempt(await scene.passcode()) as attempt:
        await attempt.context()
        await scene.caller.text()
        assert await attempt.outcome() is SignOnOutcome.TOO_LATE
        await attempt.confirm()


async def overtaken(scene: Scene) -> None:
    phone = scene.parts.phone
    async with phone.attempt(await scene.passcode()) as held_back:
        await held_back.context()
        async with scene.parts.agent.call() as second:
            ending = await phone.sign_on(await second.passcode())
            assert ending.outcome is Outcome.SIGNED_ON
            await second.result()
        await scene.parts.log.event("sign-on ended")
        scene.parts.log.events.clear()
        await held_back.decide()
        await held_back.gone()
    device = await scene.parts.agent.host.accounts.device(phone.device_id)
    assert device.disabled is None


async def disabled(scene: Scene) -> None:
    phone = scene.parts.phone
    thief = copy(phone)
    for _ in range(2):
        async with scene.parts.agent.call() as other:
            assert (await phone.sign_on(await other.passcode())).outcome is Outcome.SIGNED_ON
            await other.result()
    await scene.parts.log.event("sign-on ended", 2)
    scene.parts.log.events.clear()
    ending = await thief.sign_on(await scene.passcode())
    assert ending.outcome is Outcome.DISABLED
    device = await scene.parts.agent.host.accounts.device(phone.device_id)
    assert device.disabled is DisabledReason.CLONE
    (alarm,) = scene.parts.log.named("device disabled")
    assert (alarm["device"], alarm["reason"], alarm["level"]) == (device.id, "clone", "warning")


async def cancelled(scene: Scene) -> None:
    await scene.passcode()
    await scene.caller.stream.aclose()


async def revoked(scene: Scene) -> None:
    await scene.passcode()
    admin = scene.parts.agent.config.admin_socket
    await trio.to_thread.run_sync(lambda: list(ask(admin, Revoke("alice", None))))


async def conversation_failed(scene: Scene) -> None:
    await scene.passcode()
    await scene.caller.send(RecordType.FAILED)


async def store_failed(scene: Scene) -> None:
    async with scene.parts.phone.attempt(await scene.passcode()) as attempt:
        await attempt.context()
        unwritable(scene.parts)
        await attempt.decide()
        await attempt.gone()


async def stopped(scene: Scene) -> None:
    await scene.passcode()
    await scene.parts.agent.stop()


async def typed_at_the_prompt(scene: Scene) -> None:
    code = response(scene.parts.phone.record, await scene.passcode())
    await scene.caller.send(RecordType.ANSWER, code.encode())


async def wrong_at_the_prompt(scene: Scene) -> None:
    code = await scene.passcode()
    await scene.caller.send(RecordType.ANSWER, f"{(int(code) + 1) % 10**8:08}".encode())


async def the_apps_at_the_prompt(scene: Scene) -> None:
    await scene.passcode()
    code = totp(scene.parts.agent.host.wall_clock())
    await scene.caller.send(RecordType.ANSWER, code.encode())


async def a_ticket(scene: Scene) -> None:
    assert await scene.caller.text() is RecordType.SECRET
    code = ticket_of(scene.parts.phone.record, "postgresql")
    await scene.caller.send(RecordType.ANSWER, code.encode())


async def at_once(scene: Scene) -> None:
    """Nothing to do: it ends by itself, before anything is shown."""


def unwritable(parts: Together) -> None:
    parts.agent.host.accounts.store.db.execute("PRAGMA query_only = ON")


@dataclass
class Way:
    """How an end is come to: what happens, and the settings that it needs."""

    scenario: Scenario
    settings: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Together], Awaitable[None]] | None = None
    user: str = "alice"


def waiting(**quick: float) -> dict[str, Any]:
    return {"timers": Timers(**({"validation": 20.0, "acknowledgement": 10.0} | quick))}


async def many_wait(parts: Together) -> None:
    """As many sign-ons of the account as there may be."""

    async def wait(*, task_status: trio.TaskStatus[None]) -> None:
        async with parts.agent.call() as caller:
            await caller.passcode()
            task_status.started()
            await trio.sleep_forever()

    for _ in range(MAX_SIGN_ONS_PER_ACCOUNT):
        await parts.nursery.start(wait)


async def drained(parts: Together) -> None:
    """No relay is there."""
    parts.relay.relay.drain()
    await parts.log.event("link lost")


async def signed_on(parts: Together) -> None:
    async with parts.agent.call(service="sshd", **AT_SSHD) as caller:
        await signs_on(parts, caller, await caller.passcode())
    await forgotten(parts)


async def used(parts: Together) -> None:
    """The ticket that is typed again."""
    async with parts.agent.call(service="postgresql") as caller:
        await a_ticket(Scene(parts, caller))
        assert await caller.result() is Result.APPROVED
    await forgotten(parts)


async def many_were_wrong(parts: Together) -> None:
    host = parts.agent.host
    for _ in range(ACCOUNT_BURST):
        now = host.clock(), host.wall_clock()
        await host.codes.judge_ticket("alice", "postgresql", "", "0" * 10, *now)


async def glass_is_broken(parts: Together) -> None:
    accounts = parts.agent.host.accounts
    await Administration(accounts.store).open_break_glass(
        "alice", 3600, "lost phone", 0, parts.agent.host.wall_clock()
    )


async def forgotten(parts: Together) -> None:
    """What the log has of the sign-on before."""
    await parts.log.event("sign-on ended")
    parts.log.events.clear()


AT_SSHD: dict[str, str] = {"rhost": "192.0.2.1", "first_factor": "publickey"}
IN_SSHD = {"service": "sshd", **AT_SSHD}
WITH_TOTP = service("sshd", methods=[Method.APPROVE, Method.TOTP])
WITH_CODES = {"services": {"sshd": with_codes("sshd")}}
WITH_LEASE = service("sshd", lease=600)
FOR_ROOT = service("sshd", users=["root"])


WAYS = {
    SignOnEnd.APPROVED: Way(partial(decided, Verdict.APPROVE, Outcome.SIGNED_ON)),
    SignOnEnd.DENIED: Way(partial(decided, Verdict.DENY, Outcome.DENIED)),
    SignOnEnd.REPORTED: Way(partial(decided, Verdict.REPORT, Outcome.REPORTED)),
    SignOnEnd.EXPIRED: Way(nobody_comes, waiting(validation=0.2)),
    SignOnEnd.UNDECIDED: Way(undecided, waiting(acknowledgement=0.2)),
    SignOnEnd.OVERTAKEN: Way(overtaken),
    SignOnEnd.DISABLED: Way(disabled),
    SignOnEnd.CODE: Way(typed_at_the_prompt, WITH_CODES, IN_SSHD),
    SignOnEnd.TICKET: Way(a_ticket, start={"service": "postgresql"}),
    SignOnEnd.TOTP: Way(
        the_apps_at_the_prompt,
        {"services": {"sshd": WITH_TOTP}},
        IN_SSHD,
        lambda parts: give_totp(parts.agent.host),
    ),
    SignOnEnd.LEASE: Way(at_once, {"services": {"sshd": WITH_LEASE}}, IN_SSHD, signed_on),
    SignOnEnd.BREAK_GLASS: Way(at_once, start=IN_SSHD, before=glass_is_broken),
    SignOnEnd.NOT_REQUIRED: Way(at_once, {"services": {"sshd": FOR_ROOT}}, IN_SSHD, user="nobody"),
    SignOnEnd.WRONG_CODE: Way(wrong_at_the_prompt, WITH_CODES, IN_SSHD),
    SignOnEnd.REPLAYED: Way(a_ticket, start={"service": "postgresql"}, before=used),
    SignOnEnd.THROTTLED: Way(a_ticket, start={"service": "postgresql"}, before=many_were_wrong),
    SignOnEnd.CANCELLED: Way(cancelled),
    SignOnEnd.REVOKED: Way(revoked),
    SignOnEnd.UNAVAILABLE: Way(at_once, {"timers": timers(queue=0.1)}, before=drained),
    SignOnEnd.NOT_QUEUED: Way(at_once, {"limits": Limits(longest_ttl=1)}),
    SignOnEnd.NOT_SHOWN: Way(at_once, start={"service": "cron"}),
    SignOnEnd.CONVERSATION_FAILED: Way(conversation_failed, start={"service": "sshd"}),
    SignOnEnd.NOT_ALLOWED: Way(at_once, start={"uid": NOBODY}),
    SignOnEnd.TOO_MANY: Way(at_once, before=many_wait),
    SignOnEnd.STORE_FAILED: Way(store_failed),
    SignOnEnd.STOPPED: Way(stopped),
}
NOWHERE = {SignOnEnd.UNAVAILABLE, SignOnEnd.NOT_QUEUED}
TYPED_UNSEEN = {SignOnEnd.TICKET, SignOnEnd.REPLAYED, SignOnEnd.THROTTLED}
SHOWN = {
    each
    for each in SignOnEnd
    if each
    not in (
        *TYPED_UNSEEN,
        SignOnEnd.LEASE,
        SignOnEnd.BREAK_GLASS,
        SignOnEnd.NOT_REQUIRED,
        SignOnEnd.UNAVAILABLE,
        SignOnEnd.NOT_QUEUED,
        SignOnEnd.NOT_SHOWN,
        SignOnEnd.NOT_ALLOWED,
        SignOnEnd.TOO_MANY,
    )
}


VERDICTS = {
    SignOnEnd.APPROVED: "approve",
    SignOnEnd.DENIED: "deny",
    SignOnEnd.REPORTED: "report",
    SignOnEnd.UNDECIDED: "approve",
    SignOnEnd.OVERTAKEN: "approve",
    SignOnEnd.DISABLED: "approve",
    SignOnEnd.STORE_FAILED: "approve",
}
ALARMING = (SignOnEnd.REPORTED, SignOnEnd.DISABLED, SignOnEnd.BREAK_GLASS)


@pytest.mark.parametrize("end", SignOnEnd)
async def test_every_end(end: SignOnEnd, tmp_path: Path) -> None:
    way = WAYS[end]
    if "uid" in way.start:
        if os.geteuid() != 0:
            pytest.skip("only root can act as another user")
        open_to_all(tmp_path)
    async with together(tmp_path, **way.settings) as parts:
        if way.before is not None:
            await way.before(parts)
        async with calling(parts.agent.config.socket, way.user, **way.start) as caller:
            scene = Scene(parts, caller)
            await way.scenario(scene)
            line = await parts.ended(end.value)
            if end is not SignOnEnd.CANCELLED:
                assert await caller.result() is result_of(end)
                texts = [text for _, text in caller.shown[int(end in SHOWN | TYPED_UNSEEN) :]]
                said = conversation.ending_text(end, b"\0" * 8).partition(" (")[0]
                assert [text.partition(" (")[0] for text in texts] == [said] * bool(said)
                assert all(f"({line['sign_on_id']})" in text for text in texts)
        assert len(parts.log.named("sign-on ended")) == 1
        assert line["level"] == ("warning" if end in ALARMING else "info")
        assert line["verdict"] == VERDICTS.get(end)
        assert ("shown" in line["steps"]) is (end in SHOWN)
        assert list(line["steps"].values()) == sorted(line["steps"].values())
        check_no_secrets(parts, scene.passcodes)
        story = check_story(parts, end, line)
        if end is not SignOnEnd.STOPPED:
            admin = parts.agent.config.admin_socket
            found = await trio.to_thread.run_sync(lambda: list(ask(admin, Why(story.sign_on_id))))
            assert found == [story]
        await parts.agent.stop()  # the callers of TOO_MANY end with it
    check_the_relays_story(parts, end, story)


def check_story(parts: Together, end: SignOnEnd, line: dict[str, Any]) -> Story:
    """What `bartizan-agent why` is told, which is what the log says."""
    host = parts.agent.host
    story = host.sign_ons.find(line["sign_on_id"], host.clock())
    assert story is not None
    assert (story.kind, story.outcome, story.steps) == (Kind.SIGN_ON, end.value, line["steps"])
    assert story.verdict == VERDICTS.get(end, "")
    assert (story.user, story.service) == (WAYS[end].user, line["service"])
    assert story.device == (-1 if line["device"] is None else line["device"])
    assert bool(story.relays) is (end in NOWHERE)
    assert host.sign_ons.ended[Kind.SIGN_ON][end.value] == 1
    return story


def check_the_relays_story(parts: Together, end: SignOnEnd, story: Story) -> None:
    """The relay's words for its part are those that the explanation promises, and what they promise
    of the agent is so."""
    requests = [each for each in parts.relay.records if isinstance(each, RequestEnded)]
    outcomes = [each.outcome for each in requests if each.sign_on_id == story.sign_on_id]
    assert {each.value for each in outcomes} <= set(SIGN_ONS[end].relay)
    assert all(end.value in (REQUESTS[each].agent or {end.value}) for each in outcomes[-1:])
    without = {*NOWHERE, *TYPED_UNSEEN}
    assert bool(outcomes) is bool(SIGN_ONS[end].relay and end not in without)


def check_no_secrets(parts: Together, passcodes: list[str]) -> None:
    """The whole log, as text: no passcode, key, tag or enrolment code, in any usual form."""
    text = json.dumps(parts.log.events, default=str)
    record = parts.phone.record
    for code in passcodes:
        tag = keys.tag(record.rendezvous_root, keys.passcode_input(Mode.PASSCODE, code))
        assert code not in text
        assert f"{code[:4]} {code[4:]}" not in text
        assert tag.hex() not in text
        assert repr(tag)[2:-1] not in text
    for secret in (record.static, record.rendezvous_root, record.generation.root):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text
    assert "bartizan:" not in text


def open_to_all(folder: Path) -> None:
    """Other users may enter `folder`."""
    for each in (folder, *folder.parents):
        mode = stat.S_IMODE(each.stat().st_mode)
        if mode & 0o011 != 0o011:
            each.chmod(mode | 0o011)
