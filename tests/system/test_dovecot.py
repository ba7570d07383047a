"""Real Dovecot and an IMAP client: what docs/services/dovecot.md says, with a real device."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.support.debian_stacks import PASSWORD, give_password, stack
from tests.support.dovecot import Dovecot, dovecot
from tests.support.namespace import USER, system_host
from tests.support.programs import HOST, installation
from tests.support.site import OTHER_LINES, Site

LEASE = "[services.dovecot]\nlease = 300\n"
BOTH = '[services.dovecot]\nlease = 300\nsecret = "tail"\n'


@dataclass(frozen=True)
class Mail:
    site: Site
    server: Dovecot

    async def ticket(self, service: str = "dovecot") -> str:
        """What the user reads on the device."""
        done = await self.site.parts.device.run("ticket", f"{service}@{HOST}")
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    @property
    def ended(self) -> list[str]:
        """Every word so far, in order."""
        log = self.site.parts.agent.log
        return [x["outcome"] for x in log if x["event"] == "sign-on ended"]


@pytest.fixture
async def mail(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Mail]:
    """Its parameter is the service's table in the agent's configuration."""
    if shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None:
        pytest.fail("Dovecot is not installed: .ci/run installs what the tests need")
    host = system_host(folder)
    give_password(host)
    async with (
        dovecot(host, folder) as server,
        installation(host, folder, settings=request.param) as parts,
    ):
        auth = stack("dovecot", "dovecot", parts.auth_line, int(request.param is BOTH))
        host.service("dovecot", auth + OTHER_LINES)
        yield Mail(Site(host, parts, folder), server)


@pytest.mark.parametrize("mail", [LEASE], indirect=True)
async def test_a_ticket_is_the_password_and_a_burst_needs_one(mail: Mail) -> None:
    ticket = await mail.ticket()
    let_in: list[bool] = []

    async def one() -> None:
        let_in.append(await mail.server.lets_in(USER, ticket))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(one)
    assert let_in == [True] * 6
    await mail.site.parts.agent.logged("sign-on ended", 6)
    assert mail.ended.count("ticket") >= 1
    assert set(mail.ended) <= {"ticket", "lease"}
    assert await mail.server.lets_in(USER, ticket)
    entry = await mail.site.ended("lease", 7)
    assert (entry["user"], entry["service"], entry["remote"]) == (USER, "dovecot", "127.0.0.1")

    assert not await mail.server.lets_in(USER, ticket, source="127.0.0.2")
    await mail.site.ended("replayed", 8)
    fresh = await mail.ticket()
    assert not await mail.server.lets_in(USER, fresh[:-1] + ("0" if fresh[-1] != "0" else "1"))
    await mail.site.ended("wrong-code", 9)
    assert not await mail.server.lets_in(USER, await mail.ticket("postgresql"))
    await mail.site.ended("wrong-code", 10)
    assert f"({USER},127.0.0.2" in mail.server.log
    assert "pam_authenticate() failed: Authentication failure" in mail.server.log
    assert ticket not in str(mail.site.parts.agent.log) + mail.server.log


@pytest.mark.parametrize("mail", [BOTH], indirect=True)
async def test_the_password_and_a_ticket_behind_it(mail: Mail) -> None:
    ticket = await mail.ticket()
    assert not await mail.server.lets_in(USER, PASSWORD)
    await mail.site.ended("wrong-code")
    assert not await mail.server.lets_in(USER, ticket)
    await mail.site.ended("wrong-code", 2)
    assert await mail.server.lets_in(USER, f"{PASSWORD},{ticket}")
    await mail.site.ended("ticket", 3)
    assert await mail.server.lets_in(USER, f"{PASSWORD},{ticket}")
    await mail.site.ended("lease", 4)
    assert not await mail.server.lets_in(USER, f"wrong,{ticket}"), "a lease is no password"
    await mail.site.ended("lease", 5)
    assert PASSWORD not in str(mail.site.parts.agent.log)
