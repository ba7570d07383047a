"""The services as packages install them, under a real systemd; failures are as the guide says."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from protocol.sign_on_id import display
from relay.message_ids import MESSAGE_IDS
from tests.relay.real_ends import SIGN_ON_ID, Agent, hello_by_uid
from tests.support.guide import GUIDE
from tests.support.machine import Machine, machine

RELAY, AGENT = "bartizan-relay", "bartizan-agent"
MOST_EXPOSED = {RELAY: 1.3, AGENT: 2.0}
BY_TCP = '[[agents]]\nlisten = "tcp:127.0.0.1:4816"\n'


@pytest.fixture
async def host(debs: tuple[Path, ...]) -> AsyncIterator[Machine]:
    """A bastion that has an agent of its own, with nothing configured."""
    async with machine("web1", debs=debs) as running:
        yield running


async def property_of(host: Machine, unit: str, name: str) -> str:
    return (await host.run("systemctl", "show", "--value", f"--property={name}", unit)).strip()


async def test_both_are_up_and_linked_and_may_do_little(host: Machine) -> None:
    await host.logged(AGENT, "link up")
    assert (await host.run("systemctl", "is-system-running", "--wait")).strip() == "running"
    for unit, most in MOST_EXPOSED.items():
        report = await host.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
        [level] = re.findall(r"Overall exposure level for \S+ ([0-9.]+)", report)
        assert float(level) <= most, report
        assert await property_of(host, unit, "User") == unit
        assert "warning" not in await host.journal(unit)
    sockets = await host.shell("cd /run; stat --format='%n %U %a' bartizan-*/* bartizan-*/")
    assert sockets.splitlines() == [
        "bartizan-agent/admin.sock bartizan-agent 600",
        "bartizan-agent/pam.sock root 666",
        "bartizan-relay/agents.sock bartizan-relay 666",
        "bartizan-relay/relay-admin.sock bartizan-relay 600",
        "bartizan-agent/ bartizan-agent 755",
        "bartizan-relay/ bartizan-relay 755",
    ]
    assert await host.shell(
        "stat --format='%U %a' /var/lib/bartizan-agent /etc/bartizan/relay.key"
    ) == ("bartizan-agent 700\nroot 600\n")


async def test_all_ends_of_a_turn_come_to_the_journal_with_fields_of_their_own(
    host: Machine,
) -> None:
    """Several entries in a datagram: systemd's documentation of the protocol does not say so."""
    await host.logged(RELAY, "link up")
    path = host.path("/run/bartizan-relay/agents.sock")
    async with await trio.open_unix_socket(str(path)) as stream:
        agent = Agent(stream)
        await stream.send_all(hello_by_uid())
        await agent.receive()
        for number in range(20):
            await agent.queue(number.to_bytes(16, "big"), number=number)
    await host.logged(RELAY, "link ended")
    read = ("journalctl", "--output=json", "--no-pager", f"--unit={RELAY}")
    said = await host.run(*read, f"MESSAGE_ID={MESSAGE_IDS['request ended']}")
    entries = [json.loads(line) for line in said.splitlines()]
    assert len(entries) == 20
    for entry in entries:
        assert entry["BARTIZAN_OUTCOME"] == "agent-gone"
        assert entry["BARTIZAN_SIGN_ON_ID"] == display(SIGN_ON_ID)
        assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", RELAY)
        assert entry["MESSAGE"].startswith("request ended: outcome agent-gone, agent uid:0")


async def test_a_reload_of_the_agent_is_no_restart(host: Machine) -> None:
    await host.logged(AGENT, "link up")
    before = await property_of(host, AGENT, "MainPID")
    await host.shell("echo 'host = \"another\"' >>/etc/bartizan/agent.toml")
    await host.run("systemctl", "reload", AGENT)
    await host.logged(AGENT, "configuration adopted")
    await host.shell("echo nonsense >>/etc/bartizan/agent.toml")
    refused = await host.ended("systemctl", "reload", AGENT)
    assert refused.returncode != 0, "whoever reloads is told that nothing has changed"
    await host.logged(AGENT, "not TOML")
    assert await property_of(host, AGENT, "MainPID") == before


async def test_an_agent_that_hangs_is_replaced(host: Machine) -> None:
    await host.logged(AGENT, "link up")
    # As in the unit, but sooner.
    sooner = host.path("/run/systemd/system/bartizan-agent.service.d/sooner.conf")
    sooner.parent.mkdir(parents=True)
    sooner.write_text("[Service]\nWatchdogSec=5\n")
    await host.shell(f"systemctl daemon-reload; systemctl restart {AGENT}")
    await host.logged(AGENT, "link up", 2)
    hanging = await property_of(host, AGENT, "MainPID")
    await host.run("kill", "-STOP", hanging)
    await host.logged(AGENT, "Watchdog timeout")
    await host.logged(AGENT, "link up", 3)
    assert await property_of(host, AGENT, "MainPID") != hanging
    assert await property_of(host, AGENT, "NRestarts") == "1"


async def test_instances_beside_one_another(host: Machine) -> None:
    for name, port in (("one", 4901), ("two", 4902)):
        host.path(f"/etc/bartizan/relay-{name}.toml").write_text(
            f'[[agents]]\nlisten = "unix:/run/bartizan-relay/{name}.sock"\n'
            f'[[validators]]\nlisten = "tcp:[::]:{port}"\n'
        )
        await host.run("systemctl", "enable", "--now", f"{RELAY}@{name}")
        await host.logged(f"{RELAY}@{name}", "relay up")
    for name, port in (("one", 4901), ("two", 4902)):
        asked = ("bartizan-relay", "status", "--config", f"/etc/bartizan/relay-{name}.toml")
        assert f":{port}" in (await host.ended(*asked)).stdout
    listening = await host.run("ss", "--listening", "--tcp", "--numeric", "--no-header")
    assert set(re.findall(r":(4\d\d\d)\b", listening)) == {"4817", "4901", "4902"}


@dataclass(frozen=True)
class Failure:
    """What breaks a service, what its log then says, and what mends it."""

    unit: str
    breaks: str
    said: str
    mends: str
    more: str = ""


IN_USE = """systemd-run --unit=other --service-type=notify --property=NotifyAccess=all python3 -c '
import socket, subprocess, time
s = socket.create_server(("::", 4817), family=socket.AF_INET6)
subprocess.run(["systemd-notify", "--ready"])
time.sleep(999)
'"""
LISTENS_THERE = '[metrics]\nlisten = "tcp:127.0.0.1:4817"\n'
KEY, STORE = "/etc/bartizan/relay.key", "/var/lib/bartizan-agent/agent.db"
FAILURES = {
    "a wrong configuration": Failure(
        RELAY, "echo 'kee = 1' >>$relay", "relay.toml: ", "cp /root/good/relay.toml $relay", "kee"
    ),
    "a port in use": Failure(
        RELAY,
        IN_USE,
        "cannot listen on [::]:4817: Address already in use",
        "systemctl stop other",
        "bartizan-relay: ",
    ),
    "a damaged key": Failure(
        RELAY,
        f"echo rubbish >{KEY}",
        "relay.key: ",
        f"rm {KEY}; bartizan-relay generate-key {KEY}",
        "32 bytes in base64",
    ),
    "a missing key": Failure(
        RELAY, f"rm {KEY}", "Failed to set up credentials", f"bartizan-relay generate-key {KEY}"
    ),
    "a key that only root may read": Failure(
        RELAY,
        f"echo 'key = \"{KEY}\"' | cat - $relay >/root/new; cp /root/new $relay",
        "relay.key: ",
        "cp /root/good/relay.toml $relay",
        "ermission denied",
    ),
    "the agent's port in use": Failure(
        AGENT,
        f"printf '{LISTENS_THERE}' >>$agent".replace("\n", "\\n"),
        "Address already in use",
        "cp /root/good/agent.toml $agent",
        "metrics.listen: ",
    ),
    "a store of somebody else's": Failure(
        AGENT,
        f"chown root: {STORE}",
        "agent.db: belongs to uid ",
        f"chown -R {AGENT}: /var/lib/bartizan-agent",
    ),
}


async def test_what_keeps_a_service_down_is_told_and_once_mended_is_over(host: Machine) -> None:
    [guide] = re.findall(r"(?s)## When it does not work.*?\n## ", GUIDE.read_text())
    up = {RELAY: "relay up", AGENT: "agent up"}
    paths = "relay=/etc/bartizan/relay.toml; agent=/etc/bartizan/agent.toml; "
    host.path("/etc/bartizan/relay.toml").write_text(BY_TCP)
    await host.shell("mkdir /root/good; cp /etc/bartizan/*.toml /root/good")
    for name, failure in FAILURES.items():
        unit = failure.unit
        await host.shell(f"{paths} systemctl stop {unit}; {failure.breaks}")
        before = await host.journal(unit)
        ups, said = before.count(up[unit]), before.count(failure.said)
        await host.ended("systemctl", "start", unit)
        await host.logged(unit, re.escape(failure.said), said + 1)
        new = (await host.journal(unit))[len(before) :]
        assert failure.more in new, f"{name}: {new}"
        assert "Traceback" not in new, f"{name}: {new}"
        await host.shell(f"{paths} {failure.mends}")
        await host.logged(unit, up[unit], ups + 1)
        assert failure.said.partition("[")[0].split(" on ")[0].strip() in guide, name


# ---- removal -------------------------------------------------------------------------------------

SUDO = "/etc/pam.d/sudo"


async def test_what_names_the_module_keeps_it(host: Machine) -> None:
    host.path(SUDO).write_text("auth required pam_bartizan.so\n" + host.path(SUDO).read_text())
    refused = await host.ended("apt-get", "remove", "--yes", "libpam-bartizan")
    assert refused.returncode != 0
    assert f"\n{SUDO}" in refused.stdout + refused.stderr
    assert list(host.path("/lib/x86_64-linux-gnu/security").glob("pam_bartizan.so"))


async def test_the_profile_goes_before_the_module(host: Machine) -> None:
    await host.run("pam-auth-update", "--enable", "bartizan")
    stack = host.path("/etc/pam.d/common-auth")
    assert "pam_bartizan.so" in stack.read_text()
    await host.run("apt-get", "remove", "--yes", "libpam-bartizan")
    assert "bartizan" not in stack.read_text()
    await host.shell("useradd ada; echo 'ada:secret' | chpasswd; apt-get check")
    await host.shell("echo secret | setpriv --reuid=ada --regid=ada --clear-groups su ada -c true")


async def test_a_purge_leaves_nothing(host: Machine) -> None:
    await host.logged(AGENT, "link up")
    packages = "bartizan bartizan-agent bartizan-relay bartizan-common libpam-bartizan"
    await host.shell(f"apt-get purge --yes {packages}")
    left = await host.shell(
        "ls -d /etc/bartizan /var/lib/bartizan* /usr/lib/bartizan* 2>&1 || true"
    )
    assert left.count("No such file") == 3, left
    assert "bartizan" not in await host.run("systemctl", "list-units", "--all", "--plain")


async def test_an_upgrade_keeps_what_is_there(host: Machine, debs: tuple[Path, ...]) -> None:
    await host.logged(AGENT, "link up")
    kept = "cat /etc/bartizan/*; bartizan-agent link-key"
    await host.shell("echo '# mine' >>/etc/bartizan/relay.toml")
    before = await host.shell(kept)
    host.receive(debs, "/root")
    await host.shell("apt-get install --yes --reinstall /root/*.deb")
    await host.logged(AGENT, "link up", 2)
    assert await host.shell(kept) == before
