"""Real PostgreSQL and psql: what docs/services/postgresql.md says, with a real device."""

import base64
import hashlib
import hmac
import re
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.support.debian_stacks import stack
from tests.support.namespace import USER, system_host
from tests.support.patience import until
from tests.support.postgresql import OWNER, Client, PostgreSQL, postgresql, programs
from tests.support.programs import BIN, HOST, installation
from tests.support.site import OTHER_LINES, Site
from tests.support.terminal import ENTER, terminal

SETTINGS = f"""
[callers]
{OWNER} = ["postgresql", "postgresql-directory", "postgresql-pool"]
[services.postgresql]
validation = 10
[services.postgresql-directory]
display = "silent"
secret = "tail"
[services.postgresql-pool]
display = "silent"
methods = ["ticket", "totp"]
lease = 300
"""
HBA = """
host all batch        127.0.0.1/32 scram-sha-256
host all +directory   127.0.0.1/32 pam pamservice=postgresql-directory
host all +pool        127.0.0.0/8  pam pamservice=postgresql-pool
host all all          127.0.0.1/32 pam pamservice=postgresql
"""
PASSWORD = "correct, horse"
CHECK = '#!/bin/sh\nread -r typed\n[ "$typed" = "' + PASSWORD + '" ]\n'
"""Stands for a directory: PostgreSQL's user may not look into /etc/shadow."""


@dataclass(frozen=True)
class Database:
    site: Site
    server: PostgreSQL

    async def ticket(self, service: str = "postgresql") -> str:
        """What the user reads on the device."""
        done = await self.site.parts.device.run("ticket", f"{service}@{HOST}")
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

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
    async with (
        postgresql(host, folder, HBA) as server,
        installation(host, folder, settings=SETTINGS) as parts,
    ):
        for service in ("postgresql", "postgresql-pool", "postgresql-directory"):
            auth = stack("postgresql", service, parts.auth_line)
            auth = auth.replace("pam_ldap.so", f"pam_exec.so expose_authtok quiet {check} #")
            host.service(service, auth + OTHER_LINES)
        found = Database(Site(host, parts, folder), server)
        await found.role(f"CREATE ROLE {USER} LOGIN")
        yield found


async def test_a_ticket_is_the_password(database: Database) -> None:
    site, server = database.site, database.server
    late = await Client.connect(server.port, USER)
    asked = trio.current_time()

    ticket = await database.ticket()
    assert await server.lets_in(USER, ticket)
    entry = await site.ended("ticket")
    assert (entry["user"], entry["service"], entry["remote"]) == (USER, "postgresql", "127.0.0.1")
    assert not await server.lets_in(USER, ticket)
    await site.ended("replayed", 2)
    assert f'PAM authentication failed for user "{USER}"' in server.log
    assert "pam pamservice=postgresql" in server.log, "which line of pg_hba.conf it was"

    other = await database.ticket("dovecot")
    assert not await server.lets_in(USER, other)
    await site.ended("wrong-code", 3)
    fresh = await database.ticket()
    assert not await server.lets_in(USER, fresh[:-1] + ("0" if fresh[-1] != "0" else "1"))
    await site.ended("wrong-code", 4)
    empty = await Client.connect(server.port, USER)
    assert not await empty.answer("")

    # psql without a stored password comes twice: it hangs up at the question, asks, and comes
    # again. That costs no ticket.
    before = len(ended(site))
    assert "cancelled" not in ended(site)
    async with terminal(server.command("SELECT current_user", USER)) as screen:
        await screen.shows("Password for user ada:")
        await screen.type((await database.ticket()) + ENTER)
        await screen.shows(rf"(?m)^{USER}\r?$")
        assert await screen.ends() == 0
    await until(lambda: {"cancelled", "ticket"} <= set(ended(site)[before:]))

    # Somebody who takes longer than the ticket's time to type has to begin anew.
    await trio.sleep_until(asked + 11)
    assert not await late.answer(await database.ticket())
    await until(lambda: "expired" in ended(site))
    assert all(word not in site_log(site) for word in (ticket, other, fresh))


async def test_who_is_asked_is_said_in_pg_hba(database: Database) -> None:
    site, server = database.site, database.server
    await database.role("CREATE ROLE batch LOGIN PASSWORD 'machines have one'")
    assert await server.lets_in("batch", "machines have one")
    assert ended(site) == []

    await database.role(f"CREATE ROLE directory; GRANT directory TO {USER}")
    ticket = await database.ticket("postgresql-directory")
    assert not await server.lets_in(USER, PASSWORD)
    await site.ended("wrong-code")
    assert await server.lets_in(USER, f"{PASSWORD},{ticket}")
    assert not await server.lets_in(USER, f"{PASSWORD},{ticket}")
    ticket = await database.ticket("postgresql-directory")
    assert not await server.lets_in(USER, f"wrong,{ticket}")
    await until(lambda: ended(site) == ["wrong-code", "ticket", "replayed", "ticket"])
    assert PASSWORD not in site_log(site) + server.log

    # PostgreSQL's own limit is shorter than the agent's now.
    await database.role("ALTER SYSTEM SET authentication_timeout = '1s'")
    await database.role("SELECT pg_reload_conf()")
    await until(lambda: "received SIGHUP" in server.log)
    idle = await Client.connect(server.port, USER)
    await idle.is_cut_off()
    await until(lambda: "cancelled" in ended(site))


async def test_a_pool_has_a_lease_and_a_user_without_device_an_app(database: Database) -> None:
    site, server = database.site, database.server
    await database.role(f"CREATE ROLE pool; GRANT pool TO {USER}")
    ticket = await database.ticket("postgresql-pool")
    many = [False] * 8

    async def one(number: int) -> None:
        many[number] = await (await Client.connect(server.port, USER)).answer(ticket)

    async with trio.open_nursery() as nursery:
        for number in range(len(many)):
            nursery.start_soon(one, number)
    assert all(many), ended(site)
    assert await server.lets_in(USER, ticket)
    await site.parts.agent.logged("sign-on ended", len(many) + 1)
    words = ended(site)
    assert words.count("ticket") >= 1
    assert set(words) <= {"ticket", "lease"}
    elsewhere = await Client.connect(server.port, USER, source="127.0.0.2")
    assert not await elsewhere.answer(ticket)
    assert not await server.lets_in(USER, await database.ticket("postgresql"))

    await database.role("CREATE ROLE grace LOGIN IN ROLE pool")
    command = (str(BIN / "bartizan-agent"), "totp", "grace", "--no-qr")
    file = ("--config", str(database.site.folder / "agent.toml"))
    async with terminal(site.host.command(*command, *file)) as screen:
        secret = await screen.shows(r"(?m)^  ([A-Z2-7 ]+)\r?$")
        await screen.ends()
    code = app_shows(secret[1])
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert not await server.lets_in("grace", wrong)
    assert await server.lets_in("grace", code)
    await until(lambda: "totp" in ended(site))


def ended(site: Site) -> list[str]:
    """Every word so far, in order."""
    return [x["outcome"] for x in site.parts.agent.log if x["event"] == "sign-on ended"]


def site_log(site: Site) -> str:
    return str(site.parts.agent.log)


def app_shows(secret: str) -> str:
    """What an authenticator app makes of what was typed into it, by RFC 6238 alone."""
    key = base64.b32decode(re.sub(r"\s", "", secret))
    digest = hmac.digest(key, struct.pack("!Q", int(time.time()) // 30), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack_from('!I', digest, start)[0] & 0x7FFFFFFF) % 10**6:06}"
