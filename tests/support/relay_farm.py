"""Several relays as processes that agents see as one: the same key, the same agents' file."""

import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from protocol.address import TcpAddress
from protocol.agent_auth import public_bytes
from relay.keys import create_private_key, encode_key
from tests.support.patience import PATIENCE, until
from tests.support.programs import free_port
from tests.support.relay_process import PROGRAM


@dataclass(eq=False)
class FarmRelay:
    """One of them. Its log goes on over its restarts."""

    folder: Path
    agents: TcpAddress
    validators: TcpAddress
    _process: trio.Process | None = None
    _starts: int = 0

    @property
    def log(self) -> list[dict[str, Any]]:
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def links(self) -> int:
        """Agents that are attached."""
        since = [n for n, entry in enumerate(self.log) if entry["event"] == "relay up"][-1]
        now = self.log[since:]
        came = sum(entry["event"] == "link up" for entry in now)
        return came - sum(entry["event"] == "link ended" and entry["agent"] != "" for entry in now)

    async def start(self) -> None:
        """Returns when it listens."""
        command = [str(PROGRAM), "serve", "--config", str(self.folder / "relay.toml")]
        with self._log.open("a") as log:
            self._process = await trio.lowlevel.open_process(command, stderr=log)
        self._starts += 1
        await until(lambda: self._log.read_text().count('"relay up"') == self._starts)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        with trio.fail_after(PATIENCE, shield=True):
            await self._process.wait()
        self._process = None

    async def clean_up(self) -> None:
        if self._process is not None:
            await self.kill()


@dataclass(eq=False)
class Farm:
    """`key` is the public one of all its relays."""

    key: bytes
    relays: list[FarmRelay]
    _known: Path

    async def start(self, agents: dict[str, bytes]) -> None:
        """All relays, for agents of these names and public link keys (32 bytes)."""
        self._known.write_text("".join(f"{encode_key(k)} {name}\n" for name, k in agents.items()))
        async with trio.open_nursery() as nursery:
            for relay in self.relays:
                nursery.start_soon(relay.start)

    def links(self) -> list[int]:
        """Agents that are attached, for each relay."""
        return [relay.links() for relay in self.relays]

    def ends(self, event: str) -> Counter[str]:
        """How they ended, at all relays; those that were only counted, too."""
        words: Counter[str] = Counter()
        for entry in [entry for relay in self.relays for entry in relay.log]:
            if entry["event"] == event:
                words[entry["outcome"]] += 1
            elif entry["event"] == "repeated" and entry["what"] == event:
                words[entry["outcome"]] += entry["count"]
        return words


@asynccontextmanager
async def relay_farm(
    folder: Path, count: int, *, proxies: Sequence[str] = ()
) -> AsyncIterator[Farm]:
    """Relays that are not started yet. `proxies` are whom they believe."""
    key = create_private_key(folder / "relay.key")
    farm = Farm(public_bytes(key), [], folder / "relay.agents")
    behind = f", proxy_from = {json.dumps(list(proxies))}" if proxies else ""
    for number in range(count):
        own = folder / f"relay{number}"
        own.mkdir()
        agents, validators = (TcpAddress("127.0.0.1", free_port()) for _ in range(2))
        (own / "relay.toml").write_text(
            f'key = "{folder}/relay.key"\nagents_file = "{folder}/relay.agents"\n'
            f'admin_socket = "{own}/admin.sock"\n'
            f'agents = [{{listen = "tcp:{agents}"{behind}}}]\n'
            f'validators = [{{listen = "tcp:{validators}"{behind}}}]\n'
            'log = {format = "json", level = "debug"}\n'
        )
        farm.relays.append(FarmRelay(own, agents, validators))
    try:
        yield farm
    finally:
        for relay in farm.relays:
            await relay.clean_up()
