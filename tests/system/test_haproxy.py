"""Several relays behind the real HAProxy: one goes and comes back, and everybody signs on."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import trio

import relay.config
from pam_agent.settings import Relay
from tests.support.haproxy import NAMES, SHIPPED, HAProxy, haproxy
from tests.support.many_hosts import Hosts, new_hosts, start_hosts
from tests.support.patience import until
from tests.support.relay_farm import Farm, relay_farm

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy") is None and os.environ.get("CI") != "true",
    reason="HAProxy is not installed",
)

GUIDE = Path(__file__).parents[2] / "docs/scaling.md"
SHARDS = range(5, 256, 21)
"""Of twelve hosts. By HAProxy's hash, which is always the same, all three relays have some."""
SIGN_ONS = 1000
SOME = SIGN_ONS // 8
"""Between two events."""


def test_what_is_shipped_is_a_configuration() -> None:
    command = ["haproxy", "-c", "-f", str(SHIPPED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_the_relays_of_the_guide_are_those_that_haproxy_connects_to(tmp_path: Path) -> None:
    [loop] = re.findall(r"^for name in .*?^done$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    script = loop.replace("/etc/bartizan", str(tmp_path))
    subprocess.run(["bash", "-euc", script], cwd=SHIPPED.parent, check=True)
    for number, name in enumerate(NAMES, 1):
        config = relay.config.load(tmp_path / f"relay-{name}.toml")
        assert config.admin_socket == f"/run/bartizan-relay/{name}.sock"
        for kind, listener in (("agents", config.agents[0]), ("validators", config.validators[0])):
            backend = SHIPPED.read_text().partition(f"backend {kind}\n")[2]
            assert f"server {name} {listener.listen.removeprefix('tcp:')} id {number}" in backend
            assert listener.proxy_from == ["127.0.0.1"]


async def planned(proxy: HAProxy, hosts: Hosts) -> None:
    await hosts.come_to(hosts.done + SOME)
    assert await proxy.ask("set server agents/one state maint") == ""
    await proxy.is_("one", "MAINT")
    await hosts.come_to(hosts.done + SOME)
    assert await proxy.ask("set server agents/one state ready") == ""
    await proxy.is_("one", "UP")
    await hosts.come_to(hosts.done + SOME)


async def by_itself(proxy: HAProxy, farm: Farm, hosts: Hosts) -> None:
    await farm.relays[1].kill()
    await proxy.is_("two", "DOWN")
    await hosts.come_to(hosts.done + SOME)
    await farm.relays[1].start()
    await proxy.is_("two", "UP")
    await hosts.come_to(hosts.done + SOME)


async def spread_again(proxy: HAProxy, hosts: Hosts) -> None:
    assert await proxy.ask("clear table agents") == ""
    for name in NAMES:
        assert await proxy.ask(f"shutdown sessions server agents/{name}") == ""
    await hosts.come_to(hosts.done + SOME)


async def test_a_thousand_sign_ons_while_a_relay_is_taken_out_and_brought_back(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await new_hosts(tmp_path, SHARDS, monkeypatch)
    async with (
        relay_farm(tmp_path, len(NAMES), proxies=["127.0.0.1"]) as farm,
        haproxy(farm.relays, tmp_path) as proxy,
    ):
        await farm.start(keys)
        await proxy.all_up()
        by_proxy = Relay(proxy.agents, farm.key, (proxy.validators,))
        hosts = await start_hosts(nursery, tmp_path, keys, [by_proxy])
        at_first = farm.links()

        async def events() -> None:
            await planned(proxy, hosts)
            await by_itself(proxy, farm, hosts)
            await spread_again(proxy, hosts)

        await hosts.sign_on(SIGN_ONS, events)
        await until(lambda: farm.links() == at_first)
        await hosts.stop()
    print(
        f"{hosts.done} signed on; entered again: {dict(hosts.again)}; slowest {hosts.slowest:.1f} s"
    )
    assert all(at_first)
    assert farm.ends("validator ended")["unmatched"] == 0, "led away from its agent"
    # HAProxy's own looks at the relays are none of a stranger.
    assert set(farm.ends("link ended")) <= {"checked", "closed"}
