"""What goes wrong on a machine under a real systemd: each ends as docs/operator.md says.

A user with a device tries each time, and again when it is mended.
"""

import re
import shutil
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.support.guide import GUIDE
from tests.support.machine import PATIENCE, Machine, machine
from tests.support.moved_clocks import library
from tests.support.patience import until
from tests.support.people import PASSCODE, approves, enrolls
from tests.support.terminal import Terminal, terminal

RELAY, AGENT = "bartizan-relay", "bartizan-agent"
CLOCKS = "/run/clocks"
DAY = 86_400


@pytest.fixture
async def host(debs: tuple[Path, ...]) -> AsyncIterator[Machine]:
    """A host with an agent, its own relay, and ada, who sits at it with her device."""
    async with machine("web1", debs=debs) as running:
        await running.run("useradd", "--create-home", "--shell=/bin/bash", "--groups=sudo", "ada")
        running.path("/etc/pam.d/sudo").write_text(
            "auth required pam_bartizan.so\naccount required pam_permit.so\n"
        )
        await running.logged(AGENT, "link up")
        await enrolls(
            running.command("bartizan-agent", "enroll", "ada"),
            running.command("bartizan", "enroll", user="ada"),
        )
        yield running


def told(symptom: str) -> None:
    """The guide has it."""
    [section] = re.findall(r"(?s)\n## When it does not work.*?\n## ", GUIDE.read_text())
    assert f"| {symptom} |" in section, symptom


@asynccontextmanager
async def sudo(host: Machine) -> AsyncIterator[tuple[Terminal, list[str]]]:
    """ada's terminal that shows a passcode, and the command for her device."""
    async with terminal(host.command("sudo", "-k", "id", user="ada")) as screen:
        passcode = (await screen.shows(PASSCODE))[1]
        yield screen, host.command("bartizan", "sign-on", "web1", passcode, user="ada")


async def signs_on(host: Machine) -> None:
    async with sudo(host) as (screen, on_device):
        await approves(on_device)
        await screen.shows(r"uid=0\(root\)")
        assert await screen.ends() == 0


async def with_settings(host: Machine, settings: str) -> None:
    """Both services are restarted with lines for their [Service]."""
    for unit in (RELAY, AGENT):
        drop_in = host.path(f"/run/systemd/system/{unit}.service.d/test.conf")
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(f"[Service]\n{settings.format(unit=unit)}")
    await host.shell(f"systemctl daemon-reload; systemctl restart {RELAY} {AGENT}")
    await host.shell("until bartizan-agent status >/dev/null; do sleep 0.1; done")


# ---- the log -------------------------------------------------------------------------------------

READER = """
import os, signal, socket, subprocess
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
    log.bind("/run/stuck")
    os.chmod("/run/stuck", 0o666)
    subprocess.run(["systemd-notify", "--ready"])
    signal.sigwait([signal.SIGUSR1])
    with open("/run/read", "wb", buffering=0) as out:
        while True:
            out.write(log.recv(1 << 20))
"""


async def a_log_that_nobody_takes_holds_up_nobody(host: Machine) -> None:
    """The journal's socket is stuck, then the disk is full that the log goes to."""
    told("the log has gaps: `log dropped`")
    host.path("/run/reader.py").write_text(READER)
    await host.shell(
        "echo 2 >/proc/sys/net/unix/max_dgram_qlen; systemd-run --unit=reader"
        " --service-type=notify --property=NotifyAccess=all python3 /run/reader.py"
    )
    await with_settings(host, "BindPaths=/run/stuck:/run/systemd/journal/socket\n")
    await signs_on(host)
    await host.run("systemctl", "kill", "--signal=USR1", "reader")
    read = host.path("/run/read")
    await until(lambda: read.exists() and read.stat().st_size)  # there is room again
    said = [
        f"log dropped: count \\d+\nPRIORITY=4\nSYSLOG_IDENTIFIER={unit}\n"
        for unit in (RELAY, AGENT)
    ]
    with trio.fail_after(PATIENCE):
        while not all(re.search(each, read.read_text()) for each in said):
            await signs_on(host)  # what comes at the same moment as another may be dropped again

    await host.shell(
        "mkdir /mnt/log; mount -t tmpfs -o size=64k tmpfs /mnt/log; cd /mnt/log;"
        f" touch {RELAY} {AGENT}; dd if=/dev/zero of=filler bs=512 status=none || true"
    )
    await with_settings(host, "StandardError=append:/mnt/log/{unit}\n")
    await signs_on(host)
    host.path("/mnt/log/filler").unlink()
    await signs_on(host)
    for unit in (RELAY, AGENT):
        log = host.path(f"/mnt/log/{unit}")
        await until(lambda log=log: '"event":"log dropped"' in log.read_text())


# ---- the store -----------------------------------------------------------------------------------


async def a_full_disk_denies_until_there_is_room(host: Machine) -> None:
    told("a user is told `out of order, ask the administrator`")
    state = "/var/lib/bartizan-agent"
    await host.shell(
        f"systemctl stop {AGENT}; cp -a {state} /root/state;"
        f" mount -t tmpfs -o size=512k,mode=700,uid=$(id -u {AGENT}),gid=$(id -g {AGENT})"
        f" tmpfs {state}; cp -a /root/state/. {state}; systemctl start {AGENT}"
    )
    await signs_on(host)
    await host.shell(f"dd if=/dev/zero of={state}/filler bs=512 status=none || true")
    async with sudo(host) as (screen, on_device):
        async with terminal(on_device) as device:
            await device.shows("Enter denies")
            await device.type("a")
            await device.ends()
        assert "Signed on." not in device.screen
        await screen.shows("out of order, ask the administrator")
        assert "uid=0" not in screen.screen
    await host.logged(AGENT, "store failed")
    host.path(f"{state}/filler").unlink()
    await signs_on(host)


# ---- clocks --------------------------------------------------------------------------------------


async def a_clock_that_jumps_changes_nothing(host: Machine) -> None:
    """Both daemons' wall clock, while a sign-on waits; the device's stays as it is."""
    told("the clock jumped")
    shutil.copy(library(), host.path("/usr/local/lib/moved_clocks.so"))
    clocks = host.path(CLOCKS)
    clocks.write_bytes(struct.pack("qq", 0, 0))
    await with_settings(
        host, f"Environment=LD_PRELOAD=/usr/local/lib/moved_clocks.so MOVED_CLOCKS={CLOCKS}\n"
    )
    for jump in (DAY, -400 * DAY):
        async with sudo(host) as (screen, on_device):
            with clocks.open("r+b") as file:
                file.write(struct.pack("qq", jump, 0))
            await approves(on_device)
            await screen.shows(r"uid=0\(root\)")
        await signs_on(host)
    for unit in (RELAY, AGENT):
        restarts = await host.run("systemctl", "show", "--value", "--property=NRestarts", unit)
        assert restarts == "0\n"


async def test_each_ends_as_the_guide_says(host: Machine) -> None:
    """On one machine: a boot and an enrolment take longer than each of them."""
    await a_full_disk_denies_until_there_is_room(host)
    await a_log_that_nobody_takes_holds_up_nobody(host)
    await a_clock_that_jumps_changes_nothing(host)
