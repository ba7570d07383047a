"""Real Dovecot and an IMAP client: what docs/services/dovecot.md says, with a real device.

A mail program can show nothing before a sign-on is decided. So nothing can be approved there, nor
denied, and there is no response to type. Nor can anything expire: the agent is asked when name and
password are there, and never waits for them.
"""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.support.debian_stacks import PASSWORD, give_password, stack
from tests.support.dovecot import Dovecot, dovecot
from tests.support.moved_clocks import Clocks, moved_clocks
from tests.support.namespace import USER, system_host
from tests.support.patience import until
from tests.support.programs import installation
from tests.support.silent_site import ELSEWHERE, SilentSite, app_shows, mistyped
from tests.support.site import OTHER_LINES

LEASE = 3600
TICKETS = f'[services.dovecot]\nlease = {LEASE}\nmethods = ["ticket", "totp"]\n'
BOTH = f'[services.dovecot]\nlease = {LEASE}\nsecret = "tail"\n'


@dataclass(frozen=True)
class Mail:
    site: SilentSite
    server: Dovecot
    clocks: Clocks


@pytest.fixture
async def mail(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Mail]:
    """Its parameter is the service's table in the agent's configuration."""
    if shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None:
        pytest.fail("Dovecot is not installed: .ci/run installs what the tests need")
    host = system_host(folder)
    give_password(host)
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            dovecot(host, folder) as server,
            installation(host, folder, settings=request.param, agent_prefix=clocks.prefix) as parts,
        ):
            auth = stack("dovecot", "dovecot", parts.auth_line, int(request.param is BOTH))
            auth = auth.replace("pam_unix.so", "pam_unix.so nodelay")
            host.service("dovecot", auth + OTHER_LINES)
            yield Mail(SilentSite(host, parts, folder), server, clocks)


@pytest.mark.parametrize("mail", [TICKETS], indirect=True)
async def test_a_ticket_is_the_password_and_a_burst_needs_one(mail: Mail) -> None:
    site, server = mail.site, mail.server
    ticket = await site.ticket("dovecot")
    let_in: list[bool] = []

    async def one() -> None:
        let_in.append(await server.lets_in(USER, ticket))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(one)
    assert let_in == [True] * 6
    entry = await site.next_ended("ticket", *["lease"] * 5)
    assert (entry["user"], entry["service"], entry["remote"]) == (USER, "dovecot", "127.0.0.1")

    assert not await server.lets_in(USER, ticket, source=ELSEWHERE)
    await site.next_ended("replayed", source=ELSEWHERE)
    await until(lambda: f"({USER},{ELSEWHERE}" in server.log)
    await until(lambda: "pam_authenticate() failed: Authentication failure" in server.log)
    assert not await server.lets_in(USER, mistyped(await site.ticket("dovecot")))
    await site.next_ended("wrong-code")
    assert not await server.lets_in(USER, await site.ticket("postgresql"))
    await site.next_ended("wrong-code")

    lets_in = partial(server.lets_in, USER)
    fresh = await site.lease_runs_out(mail.clocks, LEASE, "dovecot", ticket, lets_in)
    assert all(word not in site.agent_log + server.log for word in (ticket, fresh))


@pytest.mark.parametrize("mail", [TICKETS], indirect=True)
async def test_a_user_without_device_has_an_app(mail: Mail) -> None:
    site, server = mail.site, mail.server
    code, wrong = app_shows(await site.app("grace"))
    assert not await server.lets_in("grace", wrong)
    await site.next_ended("wrong-code")
    assert await server.lets_in("grace", code)
    await site.next_ended("totp")
    assert not await server.lets_in("grace", code, source=ELSEWHERE)
    await site.next_ended("replayed", source=ELSEWHERE)


@pytest.mark.parametrize("mail", [TICKETS], indirect=True)
async def test_nothing_can_be_approved_or_denied_whatever_is_configured(mail: Mail) -> None:
    """Dovecot drops text and answers a prompt by itself, so that no user gets to know a passcode.
    Each such mistake lets nobody in, and uses up no ticket."""
    site, server = mail.site, mail.server
    ticket = await site.ticket("dovecot")
    slow = "127.0.0.3"
    async with server.waiting_client(slow):
        for display, outcome in (
            ("prompt", "not-shown"),
            ("refuse", "not-shown"),
            ("info", "expired"),
        ):
            await site.configure(f'[services.dovecot]\nvalidation = 10\ndisplay = "{display}"\n')
            assert not await server.lets_in(USER, ticket), display
            await site.next_ended(outcome)
        await site.configure(TICKETS)
        assert await server.lets_in(USER, ticket)
        await site.next_ended("ticket")
        assert site.never_asked(slow)


@pytest.mark.parametrize("mail", [BOTH], indirect=True)
async def test_the_password_and_a_ticket_behind_it(mail: Mail) -> None:
    site, server = mail.site, mail.server
    ticket = await site.ticket("dovecot")
    assert not await server.lets_in(USER, PASSWORD)
    await site.next_ended("wrong-code")
    assert not await server.lets_in(USER, ticket)
    await site.next_ended("wrong-code")
    assert await server.lets_in(USER, f"{PASSWORD},{ticket}")
    await site.next_ended("ticket")
    assert await server.lets_in(USER, f"{PASSWORD},{ticket}")
    await site.next_ended("lease")
    assert not await server.lets_in(USER, f"wrong,{ticket}"), "a lease is no password"
    await site.next_ended("lease")
    assert not await server.lets_in(USER, f"{PASSWORD},{ticket}", source=ELSEWHERE)
    await site.next_ended("replayed", source=ELSEWHERE)
    assert PASSWORD not in site.agent_log
