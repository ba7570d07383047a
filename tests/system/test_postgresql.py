"""Real PostgreSQL and psql: what docs/services/postgresql.md says, with a real device.

psql can show nothing before a sign-on is decided. So nothing can be approved there, nor denied, and
there is no response to type: a ticket or an app's code is right or not, and once only.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.support.debian_stacks import stack
from tests.support.moved_clocks import Clocks, moved_clocks
from tests.support.namespace import USER, system_host
from tests.support.patience import until
from tests.support.postgresql import OWNER, PostgreSQL, postgresql, programs
from tests.support.programs import installation
from tests.support.silent_site import ELSEWHERE, SilentSite, app_shows, mistyped
from tests.support.site import OTHER_LINES
from tests.support.terminal import ENTER, terminal

LEASE = 3600
CALLERS = f"""
[callers]
{OWNER} = ["postgresql", "postgresql-directory", "postgresql-pool"]
"""
SETTINGS = f"""{CALLERS}
[services.postgresql-directory]
display = "silent"
secret = "tail"
[services.postgresql-pool]
display = "silent"
methods = ["ticket", "totp"]
lease = {LEASE}
[services.postgresql]
validation = 10
"""
HBA = """
host all batch        127.0.0.1/32 scram-sha-256
host all +directory   127.0.0.1/32 pam pamservice=postgresql-directory
host all +pool        127.0.0.0/8  pam pamservice=postgresql-pool
host all all          127.0.0.0/8  pam pamservice=postgresql
"""
PASSWORD = "correct, horse"
CHECK = '#!/bin/sh\nread -r typed\n[ "$typed" = "' + PASSWORD + '" ]\n'
"""Stands for a directory: PostgreSQL's user may not look into /etc/shadow."""
ASKS = f"Password for user {USER}: "


@dataclass(frozen=True)
class Database:
    site: SilentSite
    server: PostgreSQL
    clocks: Clocks

    async def role(self, statement: str) -> None:
        code, said = await self.server.psql(statement, OWNER, "", host=str(self.server.folder))
        assert code == 0, said


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    if not (programs() / "postgres").exists():
        pytest.fail("PostgreSQL is not installed: .ci/run installs what the tests need")
    host = system_host(folder)
    check = folder / "check"
    check.write_text(CHECK)
    check.chmod(0o755)
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            postgresql(host, folder, HBA) as server,
            installation(host, folder, settings=SETTINGS, agent_prefix=clocks.prefix) as parts,
        ):
            for service in ("postgresql", "postgresql-pool", "postgresql-directory"):
                auth = stack("postgresql", service, parts.auth_line)
                auth = auth.replace("pam_ldap.so", f"pam_exec.so expose_authtok quiet {check} #")
                host.service(service, auth + OTHER_LINES)
            found = Database(SilentSite(host, parts, folder), server, clocks)
            await found.role(f"CREATE ROLE {USER} LOGIN")
            yield found


async def test_a_ticket_is_the_password(database: Database) -> None:
    site, server = database.site, database.server
    ticket = await site.ticket("postgresql")
    assert await server.lets_in(USER, ticket)
    entry = await site.next_ended("ticket")
    assert (entry["user"], entry["service"], entry["remote"]) == (USER, "postgresql", "127.0.0.1")
    assert not await server.lets_in(USER, ticket)
    await site.next_ended("replayed")
    assert f'PAM authentication failed for user "{USER}"' in server.log
    assert "pam pamservice=postgresql" in server.log, "which line of pg_hba.conf it was"

    other, fresh = await site.ticket("dovecot"), await site.ticket("postgresql")
    assert not await server.lets_in(USER, other)
    await site.next_ended("wrong-code")
    assert not await server.lets_in(USER, mistyped(fresh))
    await site.next_ended("wrong-code")
    # PostgreSQL takes no empty password: it hangs up on the client, and so on us.
    assert not await server.lets_in_from("127.0.0.1", USER, "")
    await site.next_ended("cancelled")
    assert "empty password returned by client" in server.log
    assert all(word not in site.agent_log + server.log for word in (ticket, other, fresh))


async def test_psql_comes_twice_and_one_ticket_is_enough(database: Database) -> None:
    """Without a stored password it hangs up at the question, asks its user, and comes again."""
    site, server = database.site, database.server
    async with terminal(server.command("SELECT current_user", USER)) as screen:
        await screen.shows(rf"\A{ASKS}\Z")
        await site.next_ended("conversation-failed")
        await screen.type(await site.ticket("postgresql") + ENTER)
        await screen.shows(rf"\n{USER}\r?\n")
        assert await screen.ends() == 0
    await site.next_ended("ticket")

    async with terminal(server.command("SELECT current_user", USER)) as screen:
        await screen.shows(rf"\A{ASKS}\Z")
        await site.next_ended("conversation-failed")
        await screen.type(ENTER)
        assert await screen.ends() == 2
        assert "no password supplied" in screen.screen
    await site.next_ended("conversation-failed")


async def test_nothing_can_be_approved_or_denied_whatever_is_configured(
    database: Database,
) -> None:
    """PostgreSQL drops text and fails at a prompt, so that no user gets to know a passcode. Each
    such mistake lets nobody in, and uses up no ticket; nor does who is slow."""
    site, server = database.site, database.server
    ticket = await site.ticket("postgresql")
    async with server.client(USER, ELSEWHERE) as slow:
        await slow.is_asked()
        table = CALLERS + "[services.postgresql]\nvalidation = 10\n"
        await site.configure(table + 'display = "prompt"\n')
        assert not await server.lets_in(USER, ticket)
        await site.next_ended("conversation-failed")
        logged = re.search(r"unsupported PAM conversation .*\n.*passcode (\d{4} \d{4})", server.log)
        assert logged is not None, server.log
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.finds_nothing, logged[1])
            await site.configure(table + 'display = "refuse"\n')
            assert not await server.lets_in(USER, ticket)
            await site.next_ended("not-shown")
            await site.configure(table + 'display = "info"\n')
            assert not await server.lets_in(USER, ticket)
            await site.next_ended("expired")
        await site.next_ended("expired", source=ELSEWHERE)
        assert not await slow.answer(ticket)
    await site.configure(SETTINGS)
    assert await server.lets_in(USER, ticket)
    await site.next_ended("ticket")


async def test_who_is_asked_is_said_in_pg_hba(database: Database) -> None:
    site, server = database.site, database.server
    await database.role("CREATE ROLE batch LOGIN PASSWORD 'machines have one'")
    assert await server.lets_in("batch", "machines have one")
    assert not await server.lets_in("batch", await site.ticket("postgresql"))

    # A group's member by way of another group, too; but not a superuser who is in none.
    await database.role(f"CREATE ROLE directory; CREATE ROLE staff; GRANT staff TO {USER}")
    await database.role("GRANT directory TO staff")
    ticket = await site.ticket("postgresql-directory")
    assert not await server.lets_in(USER, PASSWORD)
    await site.next_ended("wrong-code")
    assert await server.lets_in(USER, f"{PASSWORD},{ticket}")
    await site.next_ended("ticket")
    ticket = await site.ticket("postgresql-directory")
    assert not await server.lets_in(USER, f"wrong,{ticket}")
    await site.next_ended("ticket")
    assert not await server.lets_in(USER, f"{PASSWORD},{ticket}"), "it is used up"
    await site.next_ended("replayed")
    assert PASSWORD not in site.agent_log + server.log
    await database.role(f"REVOKE staff FROM {USER}; ALTER ROLE {USER} SUPERUSER")
    assert await server.lets_in(USER, await site.ticket("postgresql"))
    assert (await site.next_ended("ticket"))["service"] == "postgresql"

    # PostgreSQL's own limit is shorter than the agent's now.
    await database.role("ALTER SYSTEM SET authentication_timeout = '1s'")
    await database.role("SELECT pg_reload_conf()")
    await until(lambda: 'parameter "authentication_timeout" changed to "1s"' in server.log)
    async with server.client(USER) as idle:
        await idle.is_cut_off()
    assert "asked" in (await site.next_ended("cancelled"))["steps"]
    assert "canceling authentication due to timeout" in server.log


async def test_a_pool_has_a_lease_and_a_user_without_device_an_app(database: Database) -> None:
    site, server = database.site, database.server
    await database.role(f"CREATE ROLE pool; GRANT pool TO {USER}")
    ticket = await site.ticket("postgresql-pool")
    many = [False] * 8

    async def one(number: int) -> None:
        many[number] = await server.lets_in_from("127.0.0.1", USER, ticket)

    async with trio.open_nursery() as nursery:
        for number in range(len(many)):
            nursery.start_soon(one, number)
    assert all(many)
    await site.next_ended("ticket", *["lease"] * 7)
    assert not await server.lets_in_from(ELSEWHERE, USER, ticket)
    await site.next_ended("replayed", source=ELSEWHERE)
    assert not await server.lets_in(USER, await site.ticket("postgresql"))
    await site.next_ended("wrong-code")

    await database.role("CREATE ROLE grace LOGIN IN ROLE pool")
    code, wrong = app_shows(await site.app("grace"))
    assert not await server.lets_in("grace", wrong)
    await site.next_ended("wrong-code")
    assert await server.lets_in("grace", code)
    await site.next_ended("totp")
    assert not await server.lets_in_from(ELSEWHERE, "grace", code)
    await site.next_ended("replayed", source=ELSEWHERE)

    lets_in = partial(server.lets_in, USER)
    await site.lease_runs_out(database.clocks, LEASE, "postgresql-pool", ticket, lets_in)
