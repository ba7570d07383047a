"""The real relay as a process that a test can stop, kill and start again at the same addresses."""

import signal
import subprocess
import sys
from pathlib import Path

import trio

from pam_agent.settings import Relay
from protocol.address import TcpAddress, UnixAddress
from tests.support.patience import PATIENCE
from tests.support.programs import free_port

PROGRAM = Path(sys.executable).parent / "bartizan-relay"


class RelayProcess:
    """Listens in `folder` for agents, and on one port of loopback for validators."""

    def __init__(self, folder: Path) -> None:
        self.validators = TcpAddress("127.0.0.1", free_port())
        self.agents = UnixAddress(str(folder / "agents.sock"))
        self._config = folder / "relay.toml"
        self._config.write_text(
            f'agents = [{{listen = "{self.agents}"}}]\n'
            f'validators = [{{listen = "tcp:{self.validators}"}}]\n'
            'log = {format = "json"}\n'
        )
        self._process: trio.Process | None = None

    @property
    def settings(self) -> Relay:
        """As the agent's configuration names it."""
        return Relay(self.agents, None, (self.validators,))

    async def start(self) -> None:
        """Returns when it listens."""
        command = [str(PROGRAM), "serve", "--config", str(self._config)]
        self._process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        log = b""
        with trio.fail_after(PATIENCE):
            while b"relay up" not in log:
                data = await self._process.stderr.receive_some()
                assert data, f"the relay does not start: {log.decode()}"
                log += data

    async def stop(self, number: signal.Signals) -> int:
        """Sends a signal; the exit code, once the process is gone."""
        assert self._process is not None
        assert self._process.stderr is not None
        self._process.send_signal(number)
        with trio.fail_after(PATIENCE, shield=True):  # a test's task may end with the relay
            async for _ in self._process.stderr:
                pass
            code = await self._process.wait()
            await self._process.stderr.aclose()
        self._process = None
        return code

    async def clean_up(self) -> None:
        if self._process is not None:
            await self.stop(signal.SIGKILL)
