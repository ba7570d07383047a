"""Agents and devices that hold a list of relays: one dies, and everybody signs on."""

from functools import partial
from pathlib import Path

import pytest
import trio

from pam_agent.settings import Relay
from tests.support.many_hosts import Hosts, new_hosts, start_hosts
from tests.support.relay_farm import Farm, FarmRelay, relay_farm

SHARDS = range(0, 256, 64)
SIGN_ONS = 240


async def dies_and_comes_back(relay: FarmRelay, hosts: Hosts) -> None:
    await hosts.come_to(hosts.done + SIGN_ONS // 8)
    await relay.kill()
    await hosts.come_to(hosts.done + SIGN_ONS // 8)
    await relay.start()


async def each_dies(farm: Farm, hosts: Hosts) -> None:
    for relay in farm.relays:
        await dies_and_comes_back(relay, hosts)


async def test_sign_ons_while_one_relay_after_the_other_dies(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await new_hosts(tmp_path, SHARDS, monkeypatch)
    async with relay_farm(tmp_path, 3) as farm:
        await farm.start(keys)
        relays = [Relay(each.agents, farm.key, (each.validators,)) for each in farm.relays]
        hosts = await start_hosts(nursery, tmp_path, keys, relays)
        await hosts.sign_on(SIGN_ONS, partial(each_dies, farm, hosts))
        await hosts.stop()
    print(
        f"{hosts.done} signed on; entered again: {dict(hosts.again)}; slowest {hosts.slowest:.1f} s"
    )
    # A device goes on with its list by itself; only who was in the dying relay's hands enters the
    # passcode again.
    assert hosts.again.keys() <= {"undecided", "unknown"}
    assert hosts.again.total() <= len(farm.relays) * len(SHARDS)
