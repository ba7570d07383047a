"""The guide's words about the store's seal and about break-glass, followed under a real systemd."""

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.guide import GUIDE
from tests.support.machine import Machine, machine

AGENT = "bartizan-agent"
STATE = "/var/lib/bartizan-agent"
KEYS = "/etc/credstore.encrypted"
AS_THE_AGENT = """
import socket
with socket.socket(socket.AF_UNIX) as admin:
    admin.connect("/run/bartizan-agent/admin.sock")
    admin.sendall(b'{"type":"open-break-glass","account":"ada","seconds":60,"reason":"x"}\\n')
    print(admin.makefile().read())
"""


@pytest.fixture
async def host(debs: tuple[Path, ...]) -> AsyncIterator[Machine]:
    async with machine("web1", debs=debs) as running:
        await running.logged(AGENT, "link up")
        yield running


def commands(section: str) -> list[str]:
    """The section's blocks for root's shell."""
    [text] = re.findall(rf"(?s)## {section}\n(.*?)\n## ", GUIDE.read_text())
    return re.findall(r"(?s)```sh\n(.*?)```", text)


def secrets_of(host: Machine, copy: Path) -> list[bytes]:
    """Of a store that is not sealed, and not in use."""
    copy.write_bytes(host.path(f"{STATE}/agent.db").read_bytes())
    db = sqlite3.connect(copy)
    row = db.execute("SELECT static, link FROM identity").fetchone()
    db.close()
    assert all(len(each) == 32 for each in row)
    return list(row)


def in_clear(host: Machine, secrets: list[bytes]) -> int:
    files = list(host.path(STATE).iterdir())
    assert files
    data = b"".join(file.read_bytes() for file in files)
    return sum(secret in data for secret in secrets)


async def test_a_store_is_sealed_changed_refused_and_unsealed(
    host: Machine, tmp_path: Path
) -> None:
    seals, changes = commands("Sealing the store")
    await host.run("systemctl", "stop", AGENT)
    secrets = secrets_of(host, tmp_path / "copy.db")
    assert in_clear(host, secrets) == 2
    await host.run("systemctl", "start", AGENT)
    link_key = await host.run("bartizan-agent", "link-key")
    assert ", not sealed" in await host.shell("bartizan-agent status || true")

    assert re.search(r"KiB, sealed\n", await host.shell(seals.replace("status", "status || true")))
    assert in_clear(host, secrets) == 0
    assert await host.run("bartizan-agent", "link-key") == link_key

    await host.shell(changes)
    assert {file.name for file in host.path(KEYS).iterdir()} == {"bartizan-store.key"}
    await host.run("systemctl", "restart", AGENT)
    assert await host.run("bartizan-agent", "link-key") == link_key
    assert in_clear(host, secrets) == 0

    # Without its key, and with another one, it stays away and says why.
    await host.shell(f"mv {KEYS}/bartizan-store.key /root; systemctl stop {AGENT}")
    await host.ended("systemctl", "start", AGENT)
    await host.logged(AGENT, "its secrets are sealed, and there is no key: is the credential")
    await host.shell(
        f"head -c 32 /dev/urandom | systemd-creds encrypt --name=bartizan-store.key -"
        f" {KEYS}/bartizan-store.key"
    )
    await host.logged(AGENT, "sealed under another key: put the one it was sealed under back")
    assert "Traceback" not in await host.journal(AGENT)
    ups = (await host.journal(AGENT)).count("agent up")
    await host.shell(f"mv /root/bartizan-store.key {KEYS}")
    await host.logged(AGENT, "agent up", ups + 1)
    assert await host.run("bartizan-agent", "link-key") == link_key

    # Unsealed as the guide says: the same, but without a new key.
    await host.shell(
        "\n".join(
            f"rm {KEYS}/bartizan-store.key" if "urandom" in line else line
            for line in changes.splitlines()
        )
    )
    assert ", not sealed" in await host.shell("bartizan-agent status || true")
    assert in_clear(host, secrets) == 2

    # Root alone opens a break-glass, whatever the agent's own user says to its socket.
    lost = ("bartizan-agent", "breakglass", "ada", "--reason", "phone lost")
    as_agent = ("runuser", "-u", AGENT, "--")
    refused = await host.ended(*as_agent, *lost)
    assert refused.returncode == 1
    assert "only root may" in refused.stderr
    said = await host.run(*as_agent, "python3", "-c", AS_THE_AGENT)
    assert said.strip() == ('{"type":"refused","reason":"only root may open or end a break-glass"}')
    assert "open: ada until" in await host.run(*lost)
    await host.logged(AGENT, "break-glass opened: .*phone lost")
    # It is still there, and told again, after a restart.
    await host.run("systemctl", "restart", AGENT)
    await host.logged(AGENT, "break-glass opened", 2)
    assert "ended: ada until" in await host.run("bartizan-agent", "breakglass", "ada", "--end")
    await host.logged(AGENT, "break-glass ended")
