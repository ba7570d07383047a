"""A real FTP server and a client: what docs/services/vsftpd.md says, with a real device."""

import contextlib
import ftplib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.support.debian_stacks import PASSWORD, give_password, stack
from tests.support.namespace import USER, SystemHost, system_host
from tests.support.patience import PATIENCE
from tests.support.programs import free_port, installation
from tests.support.service_pages import blocks
from tests.support.silent_site import ELSEWHERE, LOCAL, SilentSite
from tests.support.site import OTHER_LINES

_, LEASE, BEHIND_A_PASSWORD = (each.text for each in blocks("toml", "vsftpd"))
REFUSED = "530 Login incorrect."
_CONFIG = """
background=NO
listen=YES
listen_address=127.0.0.1
listen_port={port}
anonymous_enable=NO
local_enable=YES
pam_service_name=vsftpd
secure_chroot_dir={empty}
seccomp_sandbox=NO
isolate_network=NO
delay_failed_login=0
"""
"""Debian's, but for the port; its sandbox is not for a machine without a network of its own."""


@asynccontextmanager
async def vsftpd(host: SystemHost, folder: Path) -> AsyncIterator[int]:
    """Its port, once it listens there."""
    program = shutil.which("vsftpd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None and os.environ.get("CI") != "true":
        pytest.skip("vsftpd is not installed")
    assert program is not None, ".ci/run installs what the tests need"
    empty, config, port = folder / "empty", folder / "vsftpd.conf", free_port()
    empty.mkdir(mode=0o755)
    config.write_text(_CONFIG.format(port=port, empty=empty))
    process = await trio.lowlevel.open_process(host.command(program, config))
    try:
        while True:
            with contextlib.suppress(OSError):
                async with await trio.open_tcp_stream(LOCAL, port):
                    break
            assert process.poll() is None
            await trio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def files(folder: Path, settings: str) -> AsyncIterator[tuple[SilentSite, int]]:
    host = system_host(folder)
    give_password(host)
    async with (
        installation(host, folder, settings=settings) as parts,
        vsftpd(host, folder) as port,
    ):
        auth = stack("vsftpd", "vsftpd", parts.auth_line, int(settings is BEHIND_A_PASSWORD))
        host.service("vsftpd", auth.replace("pam_unix.so", "pam_unix.so nodelay") + OTHER_LINES)
        yield SilentSite(host, parts, folder), port


async def said(port: int, password: str, source: str = LOCAL) -> str:
    """What the server says to ada's name and password."""

    def login() -> str:
        with ftplib.FTP(timeout=PATIENCE) as client:
            client.connect(LOCAL, port, source_address=(source, 0))
            try:
                return client.login(USER, password)
            except ftplib.error_perm as error:
                return str(error)

    return await trio.to_thread.run_sync(login)


async def test_a_ticket_is_the_password_and_many_connections_need_one(folder: Path) -> None:
    async with files(folder, LEASE) as (site, port):
        ticket = await site.ticket("vsftpd")
        for _ in range(3):
            assert await said(port, ticket) == "230 Login successful."
        entry = await site.next_ended("ticket", "lease", "lease")
        assert (entry["user"], entry["service"], entry["remote"]) == (USER, "vsftpd", LOCAL)
        assert await said(port, ticket, ELSEWHERE) == REFUSED
        await site.next_ended("replayed", source=ELSEWHERE)
        assert await said(port, PASSWORD) == REFUSED
        await site.next_ended("wrong-code")


async def test_a_password_and_a_ticket_behind_it(folder: Path) -> None:
    async with files(folder, BEHIND_A_PASSWORD) as (site, port):
        assert await said(port, f"{PASSWORD},{await site.ticket('vsftpd')}") == (
            "230 Login successful."
        )
        await site.next_ended("ticket")
        assert await said(port, f"mistaken,{await site.ticket('vsftpd')}") == REFUSED
        await site.next_ended("ticket")
        assert await said(port, PASSWORD) == REFUSED
        await site.next_ended("wrong-code")
